"""What a PDU costs the codec, beside smpp.pdu3 if that is installed: ``python -m benchmarks.codec``.

1. build: a text of one segment becomes the octets of a submit_sm, each time for another number.
2. read: octets as they come from the network become PDUs, and these become what a receipt says.

In memory, one core. Rounds of ours and of theirs take turns, so that noise hits both alike; each figure is the best
of its rounds. What theirs would still have to do for a receipt, to read its text, is left out.
"""

import io
import time
from collections.abc import Callable
from typing import Any

from smsconnector.messages import Segment
from smsconnector.smpp.constants import CommandId, EsmClass, MessageStateTLV, Tag
from smsconnector.smpp.pdu import PDU, Framer, decode, encode, tlv_int, with_body
from smsconnector.smpp.receipt import read_receipt
from smsconnector.smpp.submit import SubmitRenderer, SubmitSettings

try:
    from smpp.pdu import operations, pdu_types
    from smpp.pdu.pdu_encoding import PDUEncoder
except ImportError:  # an extra of the tests
    PDUEncoder = None

ROUNDS = 15
PDUS = 1000  # a round
CHUNK = 50  # receipts a read: about what a busy SMSC gives

SOURCE, TEXT = "Shop", "Your order 4711 is on its way. Reply STOP to end."
NUMBERS = [f"92300{1234567 + number}" for number in range(PDUS)]
RECEIPT_TEXT = (
    "id:{} sub:001 dlvrd:001 submit date:2401010000 done date:2401010001 stat:DELIVRD err:000 text:Your order 4711 is o"
)


def receipts(with_tlvs: bool) -> list[bytes]:
    """Chunks of deliver_sm, each with its own id and number."""
    pdus = []
    for sequence, number in enumerate(NUMBERS, 1):
        smsc_id = str(0x7A000000 + sequence)
        fields = {
            "source_addr_ton": 1,
            "source_addr_npi": 1,
            "source_addr": number,
            "dest_addr_ton": 5,
            "destination_addr": SOURCE,
            "esm_class": EsmClass.DELIVERY_RECEIPT,
            "short_message": RECEIPT_TEXT.format(smsc_id).encode("ascii"),
        }
        tlvs = [
            tlv_int(Tag.message_state, MessageStateTLV.DELIVERED),
            (Tag.receipted_message_id, smsc_id.encode("ascii") + b"\0"),
        ]
        pdus.append(encode(PDU(CommandId.deliver_sm, 0, sequence, fields, tlvs if with_tlvs else [])))
    return [b"".join(pdus[first : first + CHUNK]) for first in range(0, PDUS, CHUNK)]


# --- ours ---------------------------------------------------------------------------------------------------


def our_build() -> Callable[[], Any]:
    renderer = SubmitRenderer(SubmitSettings(source=SOURCE))
    segments = [Segment(row, 1, 1, TEXT, "gsm7", None, number, 0) for row, number in enumerate(NUMBERS, 1)]

    def build() -> list[bytes]:
        return [
            with_body(CommandId.submit_sm, sequence, renderer.body(segment))
            for sequence, segment in enumerate(segments, 1)
        ]

    return build


def our_read(chunks: list[bytes]) -> Callable[[], Any]:
    def read() -> list[Any]:
        framer = Framer()
        return [read_receipt(decode(octets)) for chunk in chunks for octets in framer.feed(chunk)]

    return read


# --- smpp.pdu3 ----------------------------------------------------------------------------------------------


def their_build() -> Callable[[], Any]:
    encoder = PDUEncoder()
    same = {
        "source_addr_ton": pdu_types.AddrTon.ALPHANUMERIC,
        "source_addr_npi": pdu_types.AddrNpi.UNKNOWN,
        "source_addr": SOURCE,
        "dest_addr_ton": pdu_types.AddrTon.INTERNATIONAL,
        "dest_addr_npi": pdu_types.AddrNpi.ISDN,
        "esm_class": pdu_types.EsmClass(pdu_types.EsmClassMode.DEFAULT, pdu_types.EsmClassType.DEFAULT),
        "protocol_id": 0,
        "priority_flag": pdu_types.PriorityFlag.LEVEL_0,
        "registered_delivery": pdu_types.RegisteredDelivery(
            pdu_types.RegisteredDeliveryReceipt.SMSC_DELIVERY_RECEIPT_REQUESTED
        ),
        "replace_if_present_flag": pdu_types.ReplaceIfPresentFlag.DO_NOT_REPLACE,
        "data_coding": pdu_types.DataCoding(),
        "sm_default_msg_id": 0,
        "short_message": TEXT.encode("ascii"),
    }

    def build() -> list[bytes]:
        return [
            encoder.encode(operations.SubmitSM(sequence, destination_addr=number, **same))
            for sequence, number in enumerate(NUMBERS, 1)
        ]

    return build


def their_read(chunks: list[bytes]) -> Callable[[], Any]:
    encoder = PDUEncoder()

    def fields(pdu: Any) -> tuple[Any, ...]:
        params = pdu.params
        state = params.get("message_state")
        return (
            params["esm_class"].type,
            params.get("receipted_message_id"),
            state and state.name,
            params["short_message"],
        )

    def read() -> list[Any]:
        told = []
        for chunk in chunks:
            stream = io.BytesIO(chunk)
            while stream.tell() < len(chunk):
                told.append(fields(encoder.decode(stream)))
        return told

    return read


# --- the table ----------------------------------------------------------------------------------------------


def microseconds(calls: list[Callable[[], Any]]) -> list[float]:
    """What a PDU costs each of ``calls``, which take turns."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for index, call in enumerate(calls):
            begun = time.perf_counter()
            call()
            best[index] = min(best[index], time.perf_counter() - begun)
    return [seconds / PDUS * 1e6 for seconds in best]


def main() -> None:
    text_only, with_tlvs = receipts(with_tlvs=False), receipts(with_tlvs=True)
    names = ["build a submit_sm", "read a receipt of text alone", "read a receipt of text and TLVs"]
    ours = [our_build(), our_read(text_only), our_read(with_tlvs)]
    assert all(receipt is not None for read in ours[1:] for receipt in read()), "each is read as a receipt"
    if PDUEncoder is None:
        print("smpp.pdu3 is not installed: no comparison")
        for name, our_us in zip(names, microseconds(ours), strict=True):
            print(f"{name:32} {our_us:6.1f} us")
        return
    theirs = [their_build(), their_read(text_only), their_read(with_tlvs)]
    assert ours[0]() == theirs[0](), "both build the same octets"
    figures = microseconds(ours + theirs)
    print(f"{'us a PDU':32} {'ours':>6} {'smpp.pdu3':>10} {'ratio':>6}")
    for name, our_us, their_us in zip(names, figures[: len(ours)], figures[len(ours) :], strict=True):
        print(f"{name:32} {our_us:6.1f} {their_us:10.1f} {their_us / our_us:6.1f}")


if __name__ == "__main__":
    main()
