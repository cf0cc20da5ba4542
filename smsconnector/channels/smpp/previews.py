"""How a text would go out over SMPP now: read back from the submit_sm that would be written.

Each bind renders the segments with what renders its real ones (``smpp.submit``), and the octets are decoded again. So
what is told is what an SMSC would get. Parallel sessions of one bind render the same, once for all.
"""

from collections.abc import Sequence

from smsconnector.channels.previews import DataCoding, Preview, Way, WireAddress
from smsconnector.channels.smpp.bind import Bind
from smsconnector.messages import Segment
from smsconnector.smpp.constants import CommandId, describe_data_coding
from smsconnector.smpp.pdu import PDU, decode, with_body
from smsconnector.smpp.submit import SubmitRenderer, SubmitSettings

MOST_WAYS = 16  # binds that are told of: to render many segments for many binds takes time


def preview(binds: Sequence[Bind], in_use: Sequence[Bind], chosen: Bind | None, segments: Sequence[Segment]) -> Preview:
    """``in_use`` are those of ``binds`` that are up and take something; ``chosen`` is the next, None if none has
    room."""
    rendered: list[tuple[SubmitSettings, list[PDU]]] = []
    ways, told = [], list(binds[:MOST_WAYS])
    if chosen is not None and chosen not in told:
        told[-1] = chosen
    for bind in told:
        settings = bind.settings.submit
        pdus = next((some for other, some in rendered if other == settings), None)
        if pdus is None:
            pdus = submits(settings, segments)
            rendered.append((settings, pdus))
        ways.append(_way(bind, pdus, is_next=bind is chosen))
    return Preview(ways, _rate(in_use), _obstacle(binds, in_use))


def submits(settings: SubmitSettings, segments: Sequence[Segment]) -> list[PDU]:
    """The submit_sm of each segment."""
    renderer = SubmitRenderer(settings)
    return [decode(with_body(CommandId.submit_sm, 1, renderer.body(one))) for one in segments]


def _way(bind: Bind, pdus: Sequence[PDU], is_next: bool) -> Way:
    fields, part, alphabet = pdus[0].fields, bind.part, bind.settings.submit.default_alphabet
    numbers = [one.fields["data_coding"] for one in pdus]
    return Way(
        part.name,
        part.state,
        part.why,
        is_next,
        WireAddress(fields["source_addr"], fields["source_addr_ton"], fields["source_addr_npi"]),
        WireAddress(fields["destination_addr"], fields["dest_addr_ton"], fields["dest_addr_npi"]),
        tuple(DataCoding(number, describe_data_coding(number, alphabet)) for number in numbers),
    )


def _rate(in_use: Sequence[Bind]) -> float | None:
    """Parallel sessions of one bind share their pace. None if one of them has no limit."""
    paces = {id(bind.pace): bind.pace for bind in in_use}
    limits = [pace.limit for pace in paces.values()]
    rates = [one for one in limits if one is not None]
    return sum(rates) if rates and len(rates) == len(limits) else None


def _obstacle(binds: Sequence[Bind], in_use: Sequence[Bind]) -> str:
    """Why nothing goes out now."""
    if in_use:
        pauses = [bind.pace.pause_left(bind.clock.seconds()) for bind in in_use]
        if min(pauses) > 0:
            return f"The SMSC throttles: nothing is submitted for another {min(pauses):.1f} s, and then one to try."
        return ""
    bound = [bind for bind in binds if bind.bound]
    if bound:
        return f"The SMSC of {bound[0].part.name} refuses everything for now; one text is tried now and then."
    part = binds[0].part
    why = f": {part.why}" if part.why else ""
    return f"{part.name} is not bound{why}." + (" Nor is any other bind of this route." if len(binds) > 1 else "")
