"""Answers in a required shape: a tool call where tools are offered, JSON where a schema is."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from shadow.records import Reply, ToolCall


def shaped(reply: Reply, body: Mapping[str, Any]) -> Reply:
    """`reply`, or a reply in the form that the request's tools or schema demand."""
    tool = _chosen_tool(body)
    if tool is not None:
        call = ToolCall(name=str(tool.get("name", "")), arguments=_example_json(tool.get("parameters")))
        return msgspec.structs.replace(reply, content=None, tool_calls=(call,), finish_reason="tool_calls")
    schema = _required_schema(body)
    return reply if schema is None else msgspec.structs.replace(reply, content=_example_json(schema))


def example(schema: Any) -> Any:
    """The simplest value that `schema` (the common part of JSON Schema) allows."""
    if not isinstance(schema, Mapping):
        return {}
    if options := schema.get("enum"):
        return options[0]
    if options := schema.get("anyOf"):
        return example(options[0])
    match schema.get("type"):
        case "string":
            return "example"
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "array":
            return [example(schema.get("items"))] if schema.get("minItems") else []
        case "null":
            return None
        case _:
            return {name: example(inner) for name, inner in (schema.get("properties") or {}).items()}


def _chosen_tool(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first tool of the request, unless the request forbids tools or already has their results."""
    tools = body.get("tools")
    if not tools or body.get("tool_choice") == "none":
        return None
    items = body.get("messages") or body.get("input")
    last = items[-1] if isinstance(items, list) and items else {}
    if isinstance(last, Mapping) and (last.get("role") == "tool" or last.get("type") == "function_call_output"):
        return None
    tool = tools[0]
    inner = tool.get("function", tool)  # nested in Chat Completions, flat in Responses
    return inner if isinstance(inner, Mapping) else None


def _required_schema(body: Mapping[str, Any]) -> Any:
    """The JSON schema the answer must follow, from either API."""
    response_format = body.get("response_format") or {}
    if response_format.get("type") == "json_schema":
        return response_format.get("json_schema", {}).get("schema")
    text_format = (body.get("text") or {}).get("format") or {}
    return text_format.get("schema") if text_format.get("type") == "json_schema" else None


def _example_json(schema: Any) -> str:
    return json.dumps(example(schema))
