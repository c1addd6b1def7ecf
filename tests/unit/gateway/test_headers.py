import pytest

from shadow.gateway.http import headers


def test_the_connections_own_headers_end_at_the_gateway():
    forwarded, own = headers.read(
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
    assert forwarded == [(b"accept", b"application/json"), (b"x-stainless-lang", b"python")]
    assert own == {"content-length": "12"}


def test_only_an_allow_list_can_reach_storage():
    _, own = headers.read(
        [
            (b"authorization", b"Bearer canary"),
            (b"cookie", b"canary"),
            (b"x-company-token", b"canary"),
            (b"traceparent", b"00-abc"),
            (b"x-shadow-task", b"intent"),
        ]
    )
    assert own == {"traceparent": "00-abc", "x-shadow-task": "intent"}


def test_shadow_headers_do_not_reach_the_endpoint():
    forwarded, _ = headers.read([(b"x-shadow-task", b"intent"), (b"x-shadow-unit", b"u"), (b"traceparent", b"00-abc")])
    assert forwarded == [(b"traceparent", b"00-abc")]


def test_repeated_headers_and_bytes_beyond_ascii_pass():
    sent = [(b"x-a", b"1"), (b"x-a", b"2"), (b"x-b", "Grüße".encode()), (b"x-c", b"\xff")]
    assert headers.read(sent)[0] == sent


CREDENTIALS = [
    *(b"authorization", b"api-key", b"x-api-key", b"x-goog-api-key", b"ocp-apim-subscription-key", b"cookie"),
    *(
        b"openai-organization",
        b"openai-project",
        b"x-amz-security-token",
        b"cf-aig-authorization",
        b"x-portkey-api-key",
    ),
]


def test_the_gateways_key_replaces_every_credential_of_the_client():
    forwarded = [(name, b"client") for name in CREDENTIALS] + [(b"accept", b"*/*"), (b"x-stainless-os", b"Linux")]
    kept = [(b"accept", b"*/*"), (b"x-stainless-os", b"Linux")]
    assert headers.authorized(forwarded, "ours\n", meant=True) == [*kept, (b"authorization", b"Bearer ours")]


def test_without_a_key_of_its_own_the_clients_credentials_pass():
    forwarded = [(name, b"client") for name in CREDENTIALS]
    assert headers.authorized(forwarded, None, meant=True) == forwarded


def test_the_clients_credentials_never_reach_an_endpoint_they_are_not_meant_for():
    forwarded = [(name, b"client") for name in CREDENTIALS]
    assert headers.authorized(forwarded, None, meant=False) == []


@pytest.mark.parametrize(
    ("accepted", "asked"),
    [
        ([b"gzip, deflate, br, zstd"], b"gzip, deflate"),
        ([b"x-gzip, br"], b"x-gzip"),
        ([b"br"], b"identity"),
        ([b"gzip;q=0.5, br;q=1.0"], b"gzip;q=0.5"),
        ([b"br", b"deflate"], b"deflate"),
        ([b"*"], b"identity"),
        ([], b"identity"),
    ],
)
def test_the_endpoint_is_asked_for_an_encoding_the_copy_can_be_read_in(accepted: list[bytes], asked: bytes):
    forwarded = [(b"accept", b"*/*"), *((b"accept-encoding", value) for value in accepted)]
    assert headers.readable(forwarded) == [(b"accept", b"*/*"), (b"accept-encoding", asked)]


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
