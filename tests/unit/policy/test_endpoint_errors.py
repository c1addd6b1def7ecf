"""Errors in the words of many servers: some say that the model cannot serve such a request, all others are failures."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.policy.endpoint_errors import unmet_need
from shadow.records import INELIGIBILITIES

TEXT = {"messages": [{"role": "user", "content": "hi"}]}
TOOLS = {**TEXT, "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}


def with_part(**part: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, part]}]}


IMAGE = with_part(type="image_url", image_url={"url": "https://x.example/cat.png"})
AUDIO = with_part(type="input_audio", input_audio={"data": "UklGRg", "format": "wav"})
FILE = with_part(type="file", file={"file_data": "data:application/pdf;base64,JVBERi0", "filename": "a.pdf"})
STATE = {"input": "and now?", "previous_response_id": "resp_1"}
SEARCH = {"input": "news?", "tools": [{"type": "web_search"}]}
LOGPROBS = {**TEXT, "logprobs": True}

CONTEXT = [
    # OpenAI and Azure, then vLLM in several versions
    (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."),
    (400, "Your input exceeds the context window of this model. Please adjust your input and try again."),
    (400, "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300011 tokens."),
    (400, "This model's maximum context length is 4096 tokens. However, you requested 4472 tokens (376 in the"),
    (400, "max_tokens must be at least 1, got -186."),
    (400, "The decoder prompt (length 10127) is longer than the maximum model length of 8192."),
    (400, "'max_completion_tokens' is too large: 9000. This model's maximum context length is 8192 tokens"),
    # SGLang
    (400, "The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
    (400, "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens)."),
    (400, "Requested token count exceeds the model's maximum context length of 40960 tokens."),
    # llama.cpp, also with the status of its older versions, and llama-cpp-python
    (400, "the request exceeds the available context size, try increasing it"),
    (500, "the request exceeds the available context size. try increasing the context size or enable context shift"),
    (400, "Requested tokens (2285) exceed context window of 2048"),
    # Ollama, LM Studio, TGI
    (400, "the input length exceeds the context length"),
    (400, "The number of tokens to keep from the initial prompt is greater than the context length."),
    (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens"),
    (422, "Input validation error: `inputs` must have less than 2048 tokens. Given: 2222"),
    # hosted: Mistral, Groq, xAI, Gemini, Bedrock, Anthropic, Fireworks, LiteLLM
    (400, "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length"),
    (413, "Please reduce the length of the messages or completion."),
    (400, "This model's maximum prompt length is 131072 but the request contains 174197 tokens."),
    (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048575)."),
    (400, "Input is too long for requested model."),
    (400, "prompt is too long: 210000 tokens > 200000 maximum"),
    (400, "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000"),
    (400, "The prompt is too long: 100000, model maximum context length: 8191"),
    (400, "Range of input length should be [1, 30720]"),
    (400, "Invalid request: Your request exceeded model token limit: 8192"),
    (400, "The total number of tokens 50000 exceeds the limit of 32768"),
    (400, "Sequence length 5000 exceeds max_seq_len 4096"),
    (400, "litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException - too long"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "message"), CONTEXT)
def test_a_prompt_longer_than_the_context_is_recognised(status: int, message: str):
    assert unmet_need(TEXT, api="chat", status=status, message=message) == "context_length"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "registry.ollama.ai/library/deepseek-r1:latest does not support tools"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        (500, "tools param requires --jinja flag"),
        (400, "This model doesn't support tool use."),
        (404, "No endpoints found that support tool use. To learn more about provider routing, visit: …"),
        (400, "Function calling is not enabled for models/gemma-3-4b-it"),
        (400, "`tool calling` is not supported with this model"),
        (400, "litellm.UnsupportedParamsError: ollama does not support parameters: ['tools'], for model=llama2"),
        (400, "Unrecognized request argument supplied: tools"),
        (400, "Tool calling is disabled for this model"),
        (400, "Model 'x' has no tool support"),
        (422, "Tools are not supported by this model"),
    ],
)
def test_a_model_without_tools_is_recognised(status: int, message: str):
    assert unmet_need(TOOLS, api="chat", status=status, message=message) == "tools_unsupported"
    assert unmet_need(TEXT, api="chat", status=status, message=message) != "tools_unsupported"


@pytest.mark.parametrize(
    ("request_body", "status", "message", "reason"),
    [
        (IMAGE, 400, "Qwen/Qwen3-8B is not a multimodal model", "image_input"),
        (IMAGE, 400, "At most 0 image(s) may be provided in one request.", "image_input"),
        (IMAGE, 404, "No endpoints found that support image input", "image_input"),
        (IMAGE, 400, "this model does not support image input (ref: b8bd630e)", "image_input"),
        (IMAGE, 500, "image input is not supported - hint: you may need to provide the mmproj", "image_input"),
        (IMAGE, 500, "this model is missing data required for image input", "image_input"),
        (IMAGE, 400, "Invalid content type. image_url is only supported by certain models.", "image_input"),
        (IMAGE, 400, "Unsupported content part type for text-only server: image_url", "image_input"),
        (IMAGE, 422, "Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`", "image_input"),
        (IMAGE, 400, "This model doesn't support the image content block that you provided", "image_input"),
        (IMAGE, 400, "Model does not support images. Please use a model that does.", "image_input"),
        (IMAGE, 400, "messages[0].content must be a string", "image_input"),
        (IMAGE, 400, "Invalid content type. Only text is supported.", "image_input"),
        (IMAGE, 400, "This model does not have vision capabilities", "image_input"),
        (IMAGE, 400, "Model does not accept image input", "image_input"),
        (IMAGE, 422, '{"loc":["messages",0,"content"],"msg":"Input should be a valid string"}', "image_input"),
        (IMAGE, 400, "You uploaded an unsupported image. Please make sure your image is valid.", "image_input"),
        (IMAGE, 400, "Error while downloading https://x.example/cat.png. Upstream status: 403", "media_unreachable"),
        (IMAGE, 400, "Failed to download image from https://x.example/cat.png", "media_unreachable"),
        (AUDIO, 400, "audio input is not supported - hint: you may need to provide the mmproj", "audio_input"),
        (AUDIO, 400, "Content type 'input_audio' is unsupported", "audio_input"),
        (FILE, 400, "Invalid content type: 'file' is not supported by this model", "file_input"),
        (STATE, 400, "Previous response with id 'resp_1' not found.", "provider_state"),
        (STATE, 404, "Response with id 'resp_1' not found.", "provider_state"),
        (STATE, 400, "previous_response_id is not supported", "provider_state"),
        (SEARCH, 400, "Hosted tool 'web_search' is not supported with gpt-4.1-nano.", "builtin_tool"),
        (SEARCH, 400, "Unsupported tool type: web_search", "builtin_tool"),
        (LOGPROBS, 400, "`logprobs` is not supported with this model", "logprobs_unsupported"),
        (TEXT, 404, "This model is only supported in v1/responses and not in v1/chat/completions.", "api_unsupported"),
        (TEXT, 404, "This is not a chat model and thus not supported in v1/chat/completions.", "api_unsupported"),
        (TEXT, 400, "The chatCompletion operation does not work with the specified model", "api_unsupported"),
        (TEXT, 400, '"nomic-embed-text" does not support chat', "api_unsupported"),
        (TEXT, 400, "Unsupported parameter: 'temperature' is not supported with this model.", "parameter_unsupported"),
        (TEXT, 400, "Unsupported value: 'temperature' does not support 0.2 with this model", "parameter_unsupported"),
        (TEXT, 400, "Unrecognized request argument supplied: reasoning_effort", "parameter_unsupported"),
        (TEXT, 400, "anthropic does not support parameters: ['seed'], for model=claude", "parameter_unsupported"),
        (TEXT, 400, "This response_format type is unavailable now", "parameter_unsupported"),
        (TEXT, 400, "max_tokens: at most 4096 completion tokens", "parameter_unsupported"),
        (TEXT, 400, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", "parameter_unsupported"),
        (TEXT, 422, '{"detail":[{"loc":["seed"],"msg":"Extra inputs are not permitted"}]}', "parameter_unsupported"),
        (TEXT, 413, "<html><title>413 Request Entity Too Large</title></html>", "request_too_large"),
        (TEXT, 413, "", "request_too_large"),
    ],
)  # fmt: skip
def test_other_needs_that_an_endpoint_cannot_meet_are_recognised(
    request_body: dict[str, Any], status: int, message: str, reason: str
):
    api: Any = "responses" if "input" in request_body else "chat"
    assert unmet_need(request_body, api=api, status=status, message=message) == reason


@pytest.mark.parametrize("status", [404, 405, 501])
@pytest.mark.parametrize("message", ["", "404 page not found", "Not Found", "File Not Found", "Resource not found"])
def test_an_endpoint_without_the_responses_api_is_recognised(status: int, message: str):
    assert unmet_need({"input": "hi"}, api="responses", status=status, message=message) == "api_unsupported"
    assert unmet_need(TEXT, api="chat", status=status, message=message) is None


@pytest.mark.parametrize("request_body", [TEXT, TOOLS, IMAGE, AUDIO, FILE, LOGPROBS, STATE, SEARCH])
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Bad Request"),
        (400, "Invalid value for 'temperature': expected a number between 0 and 2"),
        (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        (400, "Missing required parameter: 'messages'."),
        (400, "Invalid schema for function 'f': schema must be of type object"),
        (400, "We could not parse the JSON body of your request."),
        (400, 'can only concatenate str (not "NoneType") to str'),
        (401, "Incorrect API key provided. This model does not support tools or images."),
        (403, "Your account may not use this model's context window of 1M tokens."),
        (404, "The model `small-7b` does not exist or you do not have access to it."),
        (404, "The API deployment for this model does not exist."),
        (422, "Template error: undefined value"),
        (429, "Request too large for gpt-4o: tokens per min (TPM): Limit 30000, Requested 32000. context length"),
        (500, "Internal server error"),
        (500, "CUDA out of memory. Reduce the context size. Tried to allocate 2 GiB for images and tools"),
        (503, "Service unavailable"),
        (None, "ClientConnectorError: Cannot connect to host"),
    ],
)  # fmt: skip
def test_any_other_error_is_a_failure(request_body: dict[str, Any], status: int | None, message: str):
    api: Any = "responses" if "input" in request_body else "chat"
    assert unmet_need(request_body, api=api, status=status, message=message) is None


def test_what_an_error_repeats_of_the_request_is_not_read_as_its_reason():
    echoed = '{"detail":[{"loc":["body"],"msg":"Input should be valid","input":"it does not support tools"}]}'
    assert unmet_need(TOOLS, api="chat", status=422, message=echoed) is None


def test_a_code_is_enough():
    assert unmet_need(TEXT, api="chat", status=400, message="no", code="context_length_exceeded") == "context_length"
    assert unmet_need(TEXT, api="chat", status=400, message="no", code="exceed_context_size_error") == "context_length"
    assert (
        unmet_need(TEXT, api="chat", status=400, message="no", code="unsupported_parameter") == "parameter_unsupported"
    )


@given(st.text(max_size=300), st.sampled_from([400, 404, 413, 422, 500, 429, None]), st.text(max_size=40))
def test_whatever_an_endpoint_writes_the_result_is_a_known_reason_or_none(message: str, status: int | None, code: str):
    for request in (TOOLS, IMAGE, STATE):
        found = unmet_need(request, api="responses", status=status, message=message, code=code)
        assert found is None or found in INELIGIBILITIES
