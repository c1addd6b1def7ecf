from multidict import CIMultiDict

from shadow.gateway import headers


def test_the_connections_own_headers_end_at_the_gateway():
    passing, told = headers.read(
        [
            (b"host", b"gateway"),
            (b"connection", b"keep-alive, X-Hop"),
            (b"x-hop", b"1"),
            (b"keep-alive", b"5"),
            (b"transfer-encoding", b"chunked"),
            (b"te", b"trailers"),
            (b"content-length", b"12"),
            (b"accept", b"application/json"),
            (b"x-stainless-lang", b"python"),
        ]
    )
    assert list(passing.items()) == [("accept", "application/json"), ("x-stainless-lang", "python")]
    assert told == {"content-length": "12"}


def test_only_an_allow_list_can_reach_storage():
    _, told = headers.read(
        [
            (b"authorization", b"Bearer canary"),
            (b"cookie", b"canary"),
            (b"x-company-token", b"canary"),
            (b"traceparent", b"00-abc"),
            (b"x-shadow-task", b"intent"),
        ]
    )
    assert told == {"traceparent": "00-abc", "x-shadow-task": "intent"}


def test_what_shadow_is_told_does_not_reach_the_endpoint():
    passing, _ = headers.read([(b"x-shadow-task", b"intent"), (b"x-shadow-unit", b"u"), (b"traceparent", b"00-abc")])
    assert list(passing) == ["traceparent"]


def test_repeated_headers_and_bytes_beyond_ascii_pass():
    passing, _ = headers.read([(b"x-a", b"1"), (b"x-a", b"2"), (b"x-b", "Grüße".encode()), (b"x-c", b"\xff")])
    assert list(passing.items()) == [("x-a", "1"), ("x-a", "2"), ("x-b", "Grüße"), ("x-c", "\xff")]


def test_the_gateways_key_replaces_every_credential_of_the_client():
    passing = CIMultiDict([("Authorization", "Bearer client"), ("api-key", "client"), ("accept", "*/*")])
    headers.authorize(passing, "ours")
    assert dict(passing) == {"accept": "*/*", "authorization": "Bearer ours"}


def test_without_a_key_of_its_own_the_clients_credentials_pass():
    passing = CIMultiDict([("Authorization", "Bearer client"), ("api-key", "client")])
    headers.authorize(passing, None)
    assert passing == CIMultiDict([("Authorization", "Bearer client"), ("api-key", "client")])


def test_the_endpoint_is_asked_for_an_encoding_the_copy_can_be_read_in():
    for accepted, asked in {
        "gzip, deflate, br, zstd": "gzip, deflate",
        "br": "identity",
        "gzip;q=0.5, br;q=1.0": "gzip;q=0.5",
        "*": "identity",
        "": "identity",
    }.items():
        passing = CIMultiDict({"accept-encoding": accepted} if accepted else {})
        headers.ask_for_readable(passing)
        assert passing["accept-encoding"] == asked


def test_an_answers_headers_pass_in_order_but_for_the_connections_own():
    raw = [
        (b"X-Request-ID", b"req_1"),
        (b"Connection", b"close, x-hop"),
        (b"X-Hop", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Retry-After", b"7"),
    ]
    assert headers.answer(raw, 200) == [
        (b"x-request-id", b"req_1"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"retry-after", b"7"),
    ]


def test_an_answer_without_a_body_promises_no_length():
    assert headers.answer([(b"content-length", b"5")], 304) == []
