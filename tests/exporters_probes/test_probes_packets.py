"""Packets, target lists and endpoints: what is refused, and why."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from probe_world import device, session

from exporters.common.errors import BadInput
from exporters.common.targets import Target
from exporters.probes import packets, settings
from exporters.probes.targets import from_discovery, parse_endpoint

NONCE = b"12345678"


def test_a_udp_payload_comes_back_as_it_went() -> None:
    data = packets.udp_request(NONCE, 7, 9, 123456789)
    assert packets.payload_echo(data, NONCE) == (7, 9, 123456789)


def test_a_payload_of_an_earlier_process_is_not_ours() -> None:
    assert packets.payload_echo(packets.udp_request(b"abcdefgh", 7, 9, 1), NONCE) is None
    assert packets.payload_echo(packets.udp_request(NONCE, 7, 9, 1) + b"x", NONCE) is None
    assert packets.payload_echo(b"", NONCE) is None


def test_the_icmp_checksum_makes_the_sum_of_all_words_all_ones() -> None:
    message = packets.icmp_request(4, 0xBEEF, NONCE, 7, 70000, 2**63)
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
    assert message[0] == packets.ECHO_REQUEST_V4


def test_an_icmp_reply_is_read_with_and_without_ip_header() -> None:
    request = packets.icmp_request(4, 1, NONCE, 7, 9, 5)
    reply = bytes([packets.ECHO_REPLY_V4]) + request[1:]
    assert packets.icmp_echo(reply, 4, False, NONCE) == (7, 9, 5)
    assert packets.icmp_echo(bytes([0x46]) + bytes(23) + reply, 4, True, NONCE) == (7, 9, 5)
    assert packets.icmp_echo(request, 4, False, NONCE) is None, "a request is no reply"
    for length in range(len(reply)):
        assert packets.icmp_echo(reply[:length], 4, False, NONCE) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.1.2.3", ("10.1.2.3", 7, 4)),
        ("127.2.0.1:16007", ("127.2.0.1", 16007, 4)),
        ("2001:db8::0001", ("2001:db8::1", 7, 6)),
        ("[2001:db8::1]:99", ("2001:db8::1", 99, 6)),
        ("[2001:db8::1]", ("2001:db8::1", 7, 6)),
    ],
)
def test_endpoints_are_read(text: str, found: tuple[str, int, int]) -> None:
    assert parse_endpoint(text, 7) == found


@pytest.mark.parametrize("text", ["router.example", "router.example:7", "10.1.2.3:x", "10.1.2.3:70000", "", "10.1.2"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_endpoint(text, 7)


def test_a_bad_entry_is_a_problem_and_not_the_end_of_the_others() -> None:
    good = session("ke-nairobi")
    bad = [
        Target("router.example:7", good.labels),
        Target("10.0.0.1:7", {**good.labels, "probe": "x"}),
        Target("10.0.0.1:7", {**good.labels, "module": "tcp", "hub": "h2"}),
        Target("10.0.0.1:7", {**good.labels, "circuit": ""}),
        Target("10.0.0.1:7", {**good.labels, "hub": "h3", "rtt_ms": "fast"}),
        Target("10.0.0.1:7", {**good.labels, "hub": "h4", "rtt_ms": "-1"}),
        good,
    ]
    targets, problems = from_discovery([good, *bad, device("ke-nairobi")])
    assert [target.id for target in targets] == ["ke-nairobi.a@valencia", "ke-nairobi-r1"]
    assert len(problems) == len(bad)
    assert problems[0] == (
        "target router.example:7: 'router.example' is not a numeric IP address; names are not resolved here"
    )
    assert problems[-1].endswith("session ke-nairobi.a@valencia is listed twice; keep one")


def test_a_target_carries_its_labels_and_baseline() -> None:
    (target,), _ = from_discovery([session("ke-nairobi", "b", "brindisi", "geo-two", 580)])
    assert (target.id, target.rtt_s, target.loss_ratio) == ("ke-nairobi.b@brindisi", 0.58, 0.005)
    assert dict(target.labels)["carrier"] == "geo-two"
    assert target.peer == "10.200.0.0"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("session_interval: 5", "session_interval: Extra inputs are not permitted"),
        ("session_interval_s: 0", "session_interval_s: Input should be greater than or equal to 0.1"),
        ("modules: {x: {prober: dns}}", "modules.x.prober"),
        ("[1", "is not YAML"),
    ],
)
def test_a_bad_configuration_is_one_sentence_with_file_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "probes.yml"
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        settings.load(path)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)


def test_a_missing_configuration_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        settings.load(tmp_path / "none.yml")
    assert settings.load(None).session_interval_s == 5
