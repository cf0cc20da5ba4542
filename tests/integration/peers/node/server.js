'use strict';
/*
 * An SMSC on node-smpp (npm package "smpp"), for tests.
 *
 * It takes one command per line of JSON on stdin and tells one event per line of JSON on stdout; it ends with its
 * stdin. The protocol is described in ../__init__.py, for every server of that folder speaks it. What goes over the
 * wire is node-smpp's own doing: its PDUs, alphabets, headers and framing.
 */
const readline = require('readline');
const smpp = require('smpp');

const PASSWORD = 'secret';
const behaviour = { throttle: 0, slow: 0, mute: false, receipts: null, ids: 'decimal' };
const sessions = []; // those that are bound, the newest last
let connections = 0;
let lastMessage = 1000;

function tell(event) {
	process.stdout.write(JSON.stringify(event) + '\n');
}

/** The PDU's fields as node-smpp read them; octets as hex. */
function fieldsOf(pdu) {
	const fields = {};
	for (const [name, value] of Object.entries(pdu)) {
		if (name !== 'short_message' && name !== 'message_payload') {
			fields[name] = Buffer.isBuffer(value) ? value.toString('hex') : value;
		}
	}
	return fields;
}

function tellPDU(number, pdu) {
	const event = {
		event: 'pdu', session: number, command: pdu.command, sequence: pdu.sequence_number,
		status: pdu.command_status, fields: fieldsOf(pdu), text: null, place: null,
	};
	const message = pdu.short_message || pdu.message_payload;
	if (message) {
		event.text = Buffer.isBuffer(message.message) ? message.message.toString('hex') : message.message;
		for (const element of message.udh || []) {
			if (element[0] === 0x00) event.place = [element[2], element[3], element[4]];
			if (element[0] === 0x08) event.place = [element.readUInt16BE(2), element[4], element[5]];
		}
	}
	tell(event);
}

function newId() {
	lastMessage += 1;
	return behaviour.ids === 'hex' ? lastMessage.toString(16).toUpperCase() : String(lastMessage);
}

/** The text of appendix B. Without a data_coding node-smpp writes GSM 03.38 octets and says 1, IA5. */
function receiptText(id, stat, text) {
	const err = stat === 'DELIVRD' ? '000' : '034';
	return `id:${id} sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:${stat} err:${err} text:${text || 'hello'}`;
}

function sendReceipt(session, command) {
	const fields = {
		esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
		source_addr_ton: 1, source_addr_npi: 1, source_addr: command.source || '',
		destination_addr: command.destination || '',
	};
	if (command.form === 'tlv') {
		fields.short_message = '';
		fields.receipted_message_id = command.id;
		fields.message_state = command.stat === 'DELIVRD' ? 2 : 5;
		fields.network_error_code = Buffer.from(command.stat === 'DELIVRD' ? '030000' : '030022', 'hex');
	} else {
		fields.short_message = receiptText(command.id, command.stat, command.text);
	}
	session.deliver_sm(fields);
}

/** The newest session that can receive. */
function receiving() {
	const able = sessions.filter((session) => session.receives);
	return able[able.length - 1] || sessions[sessions.length - 1];
}

function onSubmit(session, pdu) {
	if (behaviour.throttle > 0) {
		behaviour.throttle -= 1;
		session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
		return;
	}
	const id = newId();
	const answer = () => {
		session.send(pdu.response({ message_id: id }));
		if (behaviour.receipts && pdu.registered_delivery & 1) {
			sendReceipt(receiving(), {
				id: behaviour.receipts === 'decimal' ? String(numberOf(id)) : id, stat: 'DELIVRD',
				source: pdu.destination_addr, destination: pdu.source_addr,
			});
		}
	};
	if (behaviour.slow) setTimeout(answer, behaviour.slow * 1000);
	else answer();
}

/** The number in an id. */
function numberOf(id) {
	return parseInt(id, behaviour.ids === 'hex' ? 16 : 10);
}

function onBind(session, pdu) {
	if (pdu.password !== PASSWORD) {
		session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
		return;
	}
	session.receives = pdu.command !== 'bind_transmitter';
	sessions.push(session);
	session.send(pdu.response({ system_id: 'node-smpp', sc_interface_version: 0x34 }));
}

function onSession(session) {
	connections += 1;
	const number = connections;
	tell({ event: 'connected', session: number });
	session.on('pdu', (pdu) => tellPDU(number, pdu));
	for (const mode of ['transceiver', 'transmitter', 'receiver']) {
		session.on('bind_' + mode, (pdu) => onBind(session, pdu));
	}
	session.on('submit_sm', (pdu) => onSubmit(session, pdu));
	session.on('enquire_link', (pdu) => {
		if (!behaviour.mute) session.send(pdu.response());
	});
	session.on('unbind', (pdu) => {
		if (behaviour.mute) return;
		session.send(pdu.response());
		session.close();
	});
	session.on('unbind_resp', () => session.close());
	session.on('unknown', (pdu) => session.send(pdu.response()));
	session.on('error', (error) => tell({ event: 'error', session: number, text: String(error) }));
	session.on('close', () => {
		if (sessions.includes(session)) sessions.splice(sessions.indexOf(session), 1);
		tell({ event: 'closed', session: number });
	});
}

/** text is encoded by node-smpp: by data_coding, or as it chooses if there is none. */
function deliver(session, command) {
	const message = { message: command.text };
	if (command.octets !== undefined) message.message = Buffer.from(command.octets, 'hex');
	if (command.udh) message.udh = Buffer.from(command.udh, 'hex');
	const fields = Object.assign(
		{
			source_addr_ton: 1, source_addr_npi: 1, source_addr: command.source || '923001234567',
			destination_addr: command.destination || '8228', esm_class: command.esm_class || 0,
		},
		command.tlvs,
	);
	if (command.data_coding !== undefined) fields.data_coding = command.data_coding;
	fields[command.payload ? 'message_payload' : 'short_message'] = message;
	session[command.pdu || 'deliver_sm'](fields);
}

const COMMANDS = {
	behave: (_session, command) => {
		Object.assign(behaviour, command.behaviour);
		tell({ event: 'behaves' });
	},
	deliver,
	receipt: sendReceipt,
	request: (session, command) => session[command.pdu](command.fields || {}),
	octets: (session, command) => session.socket.write(Buffer.from(command.octets, 'hex')),
	enquire_link: (session) => session.enquire_link(),
	unbind: (session) => session.unbind(),
	drop: (session) => session.socket.resetAndDestroy(),
};

function onLine(line) {
	const command = JSON.parse(line);
	COMMANDS[command.do](receiving(), command);
}

const server = smpp.createServer(onSession);
server.listen(0, '127.0.0.1', () => tell({ event: 'listening', port: server.address().port }));
readline.createInterface({ input: process.stdin }).on('line', onLine).on('close', () => process.exit(0));
