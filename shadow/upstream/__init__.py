"""Ask an OpenAI-compatible endpoint, and get a `Reply` whatever happens.

endpoint    the endpoint of a model: concurrency, deadline, attempts, cost
embeddings  vectors of texts, in batches, from an endpoint's `/embeddings`
request     the request body that asks another model what production asked
delivery    how a trial's answer is asked for: as a stream, with log-probabilities
answers     read an answer from the network, in one piece or as a stream
retry       whether to retry, and which pause the endpoint asks for
probe       whether a model can be reached, for `shadow check`
environment_proxy   the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name for an address
"""

from shadow.upstream.endpoint import Endpoint

__all__ = ["Endpoint"]
