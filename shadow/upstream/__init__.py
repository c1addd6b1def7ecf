"""Ask an OpenAI-compatible endpoint, and get a `Reply` whatever happens to it."""

from shadow.upstream.endpoint import Endpoint

__all__ = ["Endpoint"]
