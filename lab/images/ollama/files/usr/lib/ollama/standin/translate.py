"""Ollama's requests and answers, to and from the OpenAI shape that llama.cpp's server speaks."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

# Ollama's option -> the name in the OpenAI request; llama.cpp takes its own sampling names beside OpenAI's.
_OPTIONS = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p", "seed": "seed", "stop": "stop",
    "presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty", "repeat_penalty": "repeat_penalty",
}  # fmt: skip


def now() -> str:
    """Return the time as Ollama writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """Return one message; a tool call's arguments are an object there and a string here."""
    out: dict[str, Any] = {"role": message["role"], "content": message.get("content") or ""}
    if calls := message.get("tool_calls"):
        out["tool_calls"] = [
            {
                "id": call.get("id", f"call_{number}"),
                "type": "function",
                "function": {"name": call["function"]["name"], "arguments": json.dumps(call["function"].get("arguments", {}))},
            }
            for number, call in enumerate(calls)
        ]
    if message["role"] == "tool":
        out["tool_call_id"] = message.get("tool_call_id", "call_0")
    return out


def sampling(options: dict[str, Any]) -> dict[str, Any]:
    """Return Ollama's options under the names of an OpenAI request."""
    request = {theirs: options[ours] for ours, theirs in _OPTIONS.items() if ours in options}
    if int(options.get("num_predict", -1)) > 0:
        request["max_tokens"] = int(options["num_predict"])
    return request


def to_openai(body: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the chat completion request of an `/api/chat` or `/api/generate` request, with the model's parameters where the caller has none."""
    messages = [_message(message) for message in body.get("messages", [])]
    if "messages" not in body:
        messages = [{"role": "system", "content": body["system"]}] if body.get("system") else []
        messages.append({"role": "user", "content": body.get("prompt", "")})
    request: dict[str, Any] = {"messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    request |= sampling({**parameters, **(body.get("options") or {})})
    if body.get("tools"):
        request["tools"] = body["tools"]
    if body.get("format") == "json":
        request["response_format"] = {"type": "json_object"}
    elif isinstance(body.get("format"), dict):
        request["response_format"] = {"type": "json_schema", "json_schema": {"name": "format", "schema": body["format"]}}
    return request


def events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON documents of a server-sent event stream."""
    for line in lines:
        text = line.strip()
        if text.startswith(b"data:") and text != b"data: [DONE]":
            yield json.loads(text[5:])


def _nanoseconds(milliseconds: float) -> int:
    return int(milliseconds * 1_000_000)


def _finished_call(call: dict[str, Any]) -> dict[str, Any]:
    return {"id": call["id"], "function": {"name": call["name"], "arguments": json.loads(call["arguments"] or "{}")}}


class Answer:
    """Turns the events of one chat completion into Ollama's lines, and sums them up."""

    def __init__(self, model: str, *, generate: bool, load_seconds: float) -> None:
        self.model = model
        self.generate = generate
        self.load = int(load_seconds * 1e9)
        self.reason = "stop"
        self.usage: dict[str, Any] = {}
        self.timings: dict[str, Any] = {}
        self.calls: dict[int, dict[str, Any]] = {}
        self.text = ""

    def line(self, content: str, calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """Return one line with a piece of the answer."""
        out: dict[str, Any] = {"model": self.model, "created_at": now()}
        if self.generate:
            return {**out, "response": content, "done": False}
        return {**out, "message": {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}, "done": False}

    def _collect(self, calls: list[dict[str, Any]]) -> None:
        for piece in calls:
            call = self.calls.setdefault(piece.get("index", 0), {"id": "", "name": "", "arguments": ""})
            call["id"] = piece.get("id") or call["id"]
            function = piece.get("function", {})
            call["name"] = function.get("name") or call["name"]
            call["arguments"] += function.get("arguments") or ""

    def lines(self, stream: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield a line for each piece of the answer, and the last one with the numbers."""
        for event in stream:
            if "error" in event:
                yield {"error": event["error"].get("message", "the model runner failed")}
                return
            self.usage = event.get("usage") or self.usage
            self.timings = event.get("timings") or self.timings
            for choice in event.get("choices", []):
                delta = choice.get("delta", {})
                self._collect(delta.get("tool_calls") or [])
                if delta.get("content"):
                    self.text += delta["content"]
                    yield self.line(delta["content"])
                if choice.get("finish_reason"):
                    self.reason = "length" if choice["finish_reason"] == "length" else "stop"
        if self.calls:
            yield self.line("", [_finished_call(call) for _, call in sorted(self.calls.items())])
        yield self.last()

    def last(self) -> dict[str, Any]:
        """Return the line that ends the answer."""
        prompt, rest = self.timings.get("prompt_ms", 0.0), self.timings.get("predicted_ms", 0.0)
        return {
            **self.line(""),
            "done": True,
            "done_reason": self.reason,
            "total_duration": self.load + _nanoseconds(prompt + rest),
            "load_duration": self.load,
            "prompt_eval_count": self.usage.get("prompt_tokens", 0),
            "prompt_eval_duration": _nanoseconds(prompt),
            "eval_count": self.usage.get("completion_tokens", 0),
            "eval_duration": _nanoseconds(rest),
        }

    def whole(self, lines: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Return the answer as one document, for a request that wants no stream."""
        last: dict[str, Any] = {}
        calls: list[dict[str, Any]] = []
        for last in lines:
            calls += last.get("message", {}).get("tool_calls", [])
        if "error" in last:
            return last
        if self.generate:
            return {**last, "response": self.text}
        return {**last, "message": {"role": "assistant", "content": self.text, **({"tool_calls": calls} if calls else {})}}
