"""An HTTP service over an exported bundle that speaks PaddleNLP SimpleServing's wire format.

`wire`: requests and answers as JSON. `batcher`: rows of several requests in one batch. `service`: a request's
way from JSON to JSON. `app`: the routes. `metrics`: what Prometheus reads. `launch` and `cli`: processes and arguments.
`client`: calls with retries. Only `app`, `metrics` and `launch` need FastAPI, uvicorn or prometheus_client.
"""
