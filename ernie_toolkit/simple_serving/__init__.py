"""An HTTP service over an exported bundle that speaks PaddleNLP SimpleServing's wire format.

`wire`: requests and answers as JSON. `batcher`: rows of several requests in one batch. `service`: a request's
way from JSON to JSON. `app`: the routes. `access`: who may ask. `budget`, `gate` and `memory`: bytes held, bytes
worked on, bytes given back. `listener`, `connections`, `protocol` and `framing`: what is accepted, for how long, and
what is no request. `metrics`: what Prometheus reads. `launch` and `cli`: processes and arguments. `client`: calls with
retries. Only `app`, `access`, `budget`, `protocol`, `framing`, `metrics` and `launch` need Starlette, uvicorn, h11 or
prometheus_client.
"""
