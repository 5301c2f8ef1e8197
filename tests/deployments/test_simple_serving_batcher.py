"""Shared batches on a real model: every caller gets its own answers, and a caller alone what `Predictor` computes."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from answers import INPUTS

from ernie_toolkit.inference import Predictor
from ernie_toolkit.simple_serving.batcher import Batcher, StoppedError
from ernie_toolkit.text.dataset import EncodedDataset, Outputs

TEXTS = [INPUTS["token_cls"][number % 6][: 5 + number * 7 % 60].strip() for number in range(60)]


@pytest.fixture(scope="module")
def tagger(bundles: dict[str, Path]) -> Predictor:
    return Predictor(bundles["token_cls"], num_threads=1)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("task", list(INPUTS))
def test_a_request_alone_is_computed_as_predictor_does(bundles: dict[str, Path], task: str, precision: str) -> None:
    predictor = Predictor(bundles[task], num_threads=1, precision=precision)
    rows = predictor.task.encode(predictor.tokenizer, INPUTS[task])
    batcher = Batcher(lambda rows: predictor.run(rows, len(rows)), threads=2, max_batch_size=4, max_wait=0.0)
    got = batcher.submit(rows).result()
    batcher.close()
    for one, other in zip(got, predictor.run(rows, 4), strict=True):
        np.testing.assert_array_equal(one, other)


def test_callers_at_once_get_their_own_answers(tagger: Predictor) -> None:
    shared: list[tuple[int, int]] = []
    batcher = Batcher(
        lambda rows: tagger.run(rows, len(rows)), 3, 16, 0.02, lambda rows, requests: shared.append((rows, requests))
    )
    groups = [TEXTS[start : start + 1 + start % 5] for start in range(50)]
    encoded = [tagger.task.encode(tagger.tokenizer, group) for group in groups]
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda rows: batcher.submit(rows).result(), encoded))
    batcher.close()
    for rows, logits in zip(encoded, results, strict=True):
        for one, other in zip(logits, tagger.run(rows, 16), strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5)
    assert max(rows for rows, _ in shared) <= 16
    assert max(requests for _, requests in shared) > 1
    assert sum(rows for rows, _ in shared) == sum(len(rows) for rows in encoded)


def test_short_and_long_rows_do_not_share(tagger: Predictor) -> None:
    shared: list[tuple[int, int]] = []
    started, go = threading.Event(), threading.Event()

    def compute(rows: EncodedDataset) -> Outputs:
        started.set()
        go.wait()
        return tagger.run(rows, len(rows))

    batcher = Batcher(compute, 1, 16, 0.3, lambda rows, requests: shared.append((rows, requests)))
    texts = ["开头", "短句", "记者在枫坪村见到了五十六岁的教师秦昭岫，他说话", "短文"]
    encoded = [tagger.task.encode(tagger.tokenizer, [text]) for text in texts]
    futures = [batcher.submit(encoded[0])]
    started.wait()
    futures += [batcher.submit(rows) for rows in encoded[1:]]
    go.set()
    for future in futures:
        future.result()
    batcher.close()
    assert shared == [(1, 1), (2, 2), (1, 1)]


def test_a_request_waits_for_company_while_another_is_computed(tagger: Predictor) -> None:
    shared: list[tuple[int, int]] = []
    started, go = threading.Event(), threading.Event()

    def compute(rows: EncodedDataset) -> Outputs:
        if not started.is_set():
            started.set()
            go.wait()
        return tagger.run(rows, len(rows))

    rows = tagger.task.encode(tagger.tokenizer, ["短句"])
    batcher = Batcher(compute, 2, 3, 600.0, lambda rows, requests: shared.append((rows, requests)))
    first = batcher.submit(rows)  # nothing else is computed: starts without a wait
    started.wait()
    for future in [batcher.submit(rows) for _ in range(3)]:  # fill a batch: it starts beside the first
        future.result()
    last = batcher.submit(rows)  # ten minutes, or until the first is done
    go.set()
    assert len(last.result()) == len(first.result()) == 1
    batcher.close()
    assert sorted(shared) == [(1, 1), (1, 1), (3, 3)]


def test_a_long_request_lets_others_in(tagger: Predictor) -> None:
    order: list[str] = []
    started = threading.Event()
    go = threading.Event()

    def compute(rows: EncodedDataset) -> Outputs:
        started.set()
        go.wait()
        return tagger.run(rows, len(rows))

    batcher = Batcher(compute, threads=1, max_batch_size=2, max_wait=0.0)
    long = batcher.submit(tagger.task.encode(tagger.tokenizer, ["句子"] * 20))
    started.wait()
    short = batcher.submit(tagger.task.encode(tagger.tokenizer, ["另一句话"]))
    for name, future in (("long", long), ("short", short)):
        future.add_done_callback(lambda _, name=name: order.append(name))
    go.set()
    assert len(long.result()) == 20
    assert len(short.result()) == 1
    batcher.close()
    assert order == ["short", "long"]


def test_a_failing_batch_fails_its_requests_only(tagger: Predictor) -> None:
    def compute(rows: EncodedDataset) -> Outputs:
        if len(rows) == 3:
            raise RuntimeError("no")
        return tagger.run(rows, len(rows))

    batcher = Batcher(compute, threads=1, max_batch_size=3, max_wait=0.0)
    with pytest.raises(RuntimeError, match="no"):
        batcher.submit(tagger.task.encode(tagger.tokenizer, ["句子"] * 7)).result()
    assert len(batcher.submit(tagger.task.encode(tagger.tokenizer, ["句子"])).result()) == 1
    assert batcher.alive
    batcher.close()
    with pytest.raises(StoppedError):
        batcher.submit(tagger.task.encode(tagger.tokenizer, ["句子"]))


@pytest.mark.parametrize("broken", ["count", "rows"])
def test_what_fails_after_a_batch_is_computed_fails_its_requests_only(tagger: Predictor, broken: str) -> None:
    def on_batch(rows: int, requests: int) -> None:
        if broken == "count" and rows == 3:
            raise RuntimeError("no space left")

    def compute(rows: EncodedDataset) -> Outputs:
        logits = tagger.run(rows, len(rows))
        return logits[:-1] if broken == "rows" and len(rows) == 3 else logits

    batcher = Batcher(compute, 1, 3, 0.0, on_batch)
    with pytest.raises((RuntimeError, ValueError)):
        batcher.submit(tagger.task.encode(tagger.tokenizer, ["句子"] * 7)).result(60)
    assert len(batcher.submit(tagger.task.encode(tagger.tokenizer, ["句子"])).result(60)) == 1
    assert batcher.alive
    batcher.close()


def test_what_is_queued_is_finished_and_what_is_cancelled_is_dropped(tagger: Predictor) -> None:
    seen: list[int] = []
    started, go = threading.Event(), threading.Event()

    def compute(rows: EncodedDataset) -> Outputs:
        seen.append(len(rows))
        started.set()
        go.wait()
        return tagger.run(rows, len(rows))

    batcher = Batcher(compute, threads=1, max_batch_size=4, max_wait=0.0)
    rows = tagger.task.encode(tagger.tokenizer, ["句子"] * 4)
    first = batcher.submit(rows)
    started.wait()
    queued: list[Future[Outputs]] = [batcher.submit(rows) for _ in range(3)]
    assert batcher.waiting == 3
    assert queued[1].cancel()
    closing = threading.Thread(target=batcher.close)
    closing.start()
    go.set()
    closing.join()
    assert all(len(future.result()) == 4 for future in (first, queued[0], queued[2]))
    assert len(seen) == 3
