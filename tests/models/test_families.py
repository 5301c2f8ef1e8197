"""Encoder families: each loads, trains, is pruned, quantized, exported and served as ERNIE is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from tiny import PAIRS, TINY_SHAPE, make_tiny_model

from ernie_toolkit.compression import CompressionOptions
from ernie_toolkit.compression.distillation.losses import observe
from ernie_toolkit.compression.pruning.elastic import cut_out, make_elastic, using
from ernie_toolkit.compression.pruning.importance import reorder, taylor_importance
from ernie_toolkit.compression.pruning.vocabulary import with_less_vocabulary
from ernie_toolkit.compression.report.complexity import model_flops
from ernie_toolkit.data import DataSet
from ernie_toolkit.data.registry import DatasetSpec
from ernie_toolkit.errors import ModelError
from ernie_toolkit.export.legacy import export_legacy
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import Vocabulary, load_model, save_model
from ernie_toolkit.models.config import model_task
from ernie_toolkit.models.families import FAMILIES, family_of_config, family_of_model, published_family
from ernie_toolkit.models.sizes import LayerSize, ModelSlice
from ernie_toolkit.models.slices import with_layers
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import TASKS, SequenceClassification
from ernie_toolkit.training import predict_logits
from ernie_toolkit.training.options import TrainingOptions

NEW = [name for name in FAMILIES if name != "ernie"]
TASKS_OF_HEADS = {"sequence": "seq_cls", "token": "token_cls", "span": "qa", "choice": "multiple_choice"}
# Wide enough in its values that no two rows get the same answer.
WIDE = {"initializer_range": 0.2}


def shape(family: str, **changes: Any) -> dict[str, Any]:
    """Sizes beside those of `TINY_SHAPE`."""
    return {**({"embedding_size": TINY_SHAPE["hidden_size"]} if family == "ernie_gram" else {}), **WIDE, **changes}


def make(vocabulary: Vocabulary, family: str, task: str = "seq_cls", labels: tuple[str, ...] = ("0", "1")) -> Any:
    return make_tiny_model(vocabulary, labels, task, family, **shape(family))


@pytest.fixture(scope="module", params=NEW)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def directory(family: str, vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model of two labels; read only."""
    loaded, target = make(vocabulary, family), tmp_path_factory.mktemp(family) / "model"
    save_model(loaded.model, loaded.vocabulary, target)
    return target


@pytest.fixture
def session(directory: Path, afqmc_sample: DataSet) -> Session:
    return Session(load_model(str(directory), PAIRS), afqmc_sample, PAIRS)


def padded_ids(rows: int = 6, tokens: int = 9) -> paddle.Tensor:
    ids = np.random.default_rng(3).integers(5, 500, (rows, tokens))
    ids[1::2, 6:] = 0
    return paddle.to_tensor(ids)


@pytest.mark.parametrize("head", TASKS_OF_HEADS)
def test_every_head_saves_loads_and_answers_as_paddlenlps(
    family: str, head: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    import paddlenlp.transformers

    task = TASKS_OF_HEADS[head]
    labels = ("a", "b", "c") if TASKS[task].has_labels else ("0", "1")
    source = make(vocabulary, family, task, labels)
    save_model(source.model, source.vocabulary, tmp_path)
    assert model_task(tmp_path) == task
    loaded = load_model(str(tmp_path), labels if TASKS[task].has_labels else None, task=task)
    assert (loaded.fresh, loaded.notices) == ((), ())
    loaded.model.eval()
    ids = padded_ids()
    ours = [value.numpy() for value in paddle.utils.flatten(loaded.model(ids))]
    published = getattr(paddlenlp.transformers, FAMILIES[family].architecture(head), None)
    if published is None:
        assert (family, head) in (("tinybert", "token"), ("ernie_gram", "choice"))
    else:
        theirs = published.from_pretrained(str(tmp_path), **({"num_choices": 2} if head == "choice" else {}))
        theirs.eval()
        given = ids.reshape([3, 2, 9]) if head == "choice" else ids
        for one, other in zip(ours, paddle.utils.flatten(theirs(given)), strict=True):
            assert np.abs(one - other.numpy().reshape(one.shape)).max() < 1e-6
    observed = observe(loaded.model, {"input_ids": ids, "token_type_ids": paddle.zeros_like(ids)})
    assert len(observed.hidden) == 3
    assert all(np.abs(one - other.numpy()).max() < 1e-6 for one, other in zip(ours, observed.logits, strict=True))
    tokenizer = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert hasattr(paddlenlp.transformers, tokenizer["tokenizer_class"])


@pytest.mark.parametrize("head", TASKS_OF_HEADS)
def test_every_head_learns(family: str, head: str, vocabulary: Vocabulary) -> None:
    model = make(vocabulary, family, TASKS_OF_HEADS[head]).model
    model.eval()
    ids = padded_ids()
    targets = {
        "sequence": {"labels": paddle.to_tensor([0, 1] * 3)},
        "token": {"labels": paddle.where(ids > 200, paddle.ones_like(ids), paddle.full_like(ids, -100))},
        "span": {"start_positions": paddle.to_tensor([1] * 6), "end_positions": paddle.to_tensor([3] * 6)},
        "choice": {"labels": paddle.to_tensor([[row // 2, row % 2] for row in range(6)])},
    }[head]
    optimizer = paddle.optimizer.AdamW(1e-3, parameters=model.parameters())
    losses = []
    for _ in range(5):
        loss = model(ids, **targets)[0]
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss))
    assert losses[-1] < losses[0]


def test_trains_exports_and_answers(session: Session, family: str, tmp_path: Path) -> None:
    """Over a run with checkpoints, to ONNX Runtime and OpenVINO, in FP32 and INT8."""
    options = TrainingOptions(max_steps=3, per_device_train_batch_size=8, learning_rate=1e-3, save_strategy="no")
    assert session.train(options, tmp_path / "run").steps == 3
    bundle = session.export(tmp_path / "export", 40, {})
    assert bundle.info.parity["max_abs_difference"] < 1e-4
    inputs = session.task.inputs(session.data.split("dev")[:30])
    rows = session.task.encode(session.tokenizer, inputs)
    expected = predict_logits(session.loaded.model, rows, 8)
    for engine in ("onnxruntime", "openvino", "paddle_inference"):
        got = np.stack(Predictor(bundle.directory, engine=engine, num_threads=1, precision="fp32").logits(inputs))
        assert np.abs(got - expected).max() < 1e-4, engine
    for engine in ("onnxruntime",):
        got = np.stack(Predictor(bundle.directory, engine=engine, num_threads=1, precision="int8").logits(inputs))
        assert 0 < np.linalg.norm(got - expected) / np.linalg.norm(expected) < 0.2, engine


def test_slices_answer_as_the_parts_that_they_were_cut_from(session: Session, family: str, tmp_path: Path) -> None:
    model = session.loaded.model
    rows = session.encoded(session.data.split("train")[:32])
    before = predict_logits(model, rows, 8)
    flops = model_flops(model, 16)
    reorder(model, taylor_importance(model, [rows.collate(range(16))]))
    assert np.abs(predict_logits(model, rows, 8) - before).max() < 1e-5
    with with_layers(model, (1,)):
        one_layer = predict_logits(model, rows, 8)
    make_elastic(model)
    for part in (
        ModelSlice(LayerSize(3, 48), (0, 1)),
        ModelSlice(LayerSize(2, 40), (1,)),
        ModelSlice(LayerSize(4, 64), (1,)),
    ):
        with using(model, part):
            used = predict_logits(model, rows, 8)
        small = cut_out(model, part)
        assert np.abs(predict_logits(small, rows, 8) - used).max() < 1e-5
        assert model_flops(small, 16) < flops
        target = tmp_path / f"{len(part.layers)}_{part.size.num_attention_heads}"
        save_model(small, session.loaded.vocabulary, target)
        again = load_model(str(target), PAIRS)
        assert again.fresh == () and np.abs(predict_logits(again.model, rows, 8) - used).max() < 1e-5
    assert np.abs(used - one_layer).max() < 1e-5
    assert np.abs(predict_logits(model, rows, 8) - before).max() < 1e-5


def test_vocabularies_are_cut(session: Session, family: str) -> None:
    said: list[str] = []
    cut = with_less_vocabulary(session, CompressionOptions(prune_embeddings=True), said.append)
    rows = session.encoded(session.data.split("train")[:32])
    cut_rows = cut.encoded(session.data.split("train")[:32])
    assert len(cut.loaded.vocabulary.tokens) < len(session.loaded.vocabulary.tokens)
    ours, theirs = (predict_logits(item.loaded.model, own, 8) for item, own in ((cut, cut_rows), (session, rows)))
    assert np.abs(ours - theirs).max() < 1e-5
    if FAMILIES[family].has_position_table:
        assert "48 of 64 positions" in said[0] and cut.loaded.model.config.max_position_embeddings == 48
    else:
        assert "its positions have no table that could be cut" in said[0]
        assert cut.loaded.model.config.max_position_embeddings == 64


def test_bare_encoders_load(directory: Path, family: str, tmp_path: Path) -> None:
    source = load_model(str(directory), PAIRS)
    encoder = getattr(source.model, FAMILIES[family].prefix)
    save_model(encoder, source.vocabulary, tmp_path)
    loaded = load_model(str(tmp_path), PAIRS)
    assert loaded.fresh and set(loaded.fresh) <= {"classifier.weight", "classifier.bias"}
    assert family_of_model(loaded.model) is FAMILIES[family]


def edit(directory: Path, target: Path, drop: str = "", **changes: Any) -> Path:
    """A copy of a model with another configuration."""
    target.mkdir()
    for path in directory.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    config = {**json.loads((target / "config.json").read_text(encoding="utf-8")), **changes}
    config.pop(drop, None)
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return target


def test_architectures_say_the_family_where_model_type_does_not(directory: Path, family: str, tmp_path: Path) -> None:
    loaded = load_model(str(edit(directory, tmp_path / "copy", "model_type")), PAIRS)
    assert family_of_model(loaded.model) is FAMILIES[family] and loaded.fresh == ()


def test_another_familys_weights_are_refused(directory: Path, tmp_path: Path) -> None:
    copy = edit(directory, tmp_path / "copy", model_type="ernie", architectures=["ErnieForSequenceClassification"])
    with pytest.raises(ModelError, match=r"no weight 'ernie\..*: the file is of another model"):
        load_model(str(copy), PAIRS)


def test_other_outputs_than_logits_are_not_given_unasked(directory: Path, tmp_path: Path) -> None:
    """Files of transformers ask for some of them."""
    asked = {"use_cache": True, "output_hidden_states": True, "output_attentions": True, "return_dict": True}
    model = load_model(str(edit(directory, tmp_path / "copy", **asked)), PAIRS).model
    assert list(model(padded_ids()).shape) == [6, 2]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("bert", {"fuse": True}, "fuse is true: layers have to be built of their parts"),
        ("bert", {"hidden_size": 33}, "hidden_size is 33: it must be a multiple of num_attention_heads, 4"),
        ("bert", {"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new': this toolkit computes gelu, relu, .*"),
        ("bert", {"hidden_act": "dropout"}, "hidden_act is 'dropout': this toolkit computes"),
        ("bert", {"pool_act": 1}, "pool_act is 1: it must be a text"),
        ("tinybert", {"fit_size": 0}, "fit_size is 0: it must be at least 1"),
        ("ernie_gram", {"embedding_size": 16}, "embedding_size is 16: it must be hidden_size, 32"),
        ("ernie_gram", {"rel_pos_size": "x"}, "rel_pos_size is 'x'"),
        ("roformerv2", {"use_bias": "no"}, "use_bias is 'no': it must be true or false"),
        ("roformerv2", {"epsilon": 2}, "epsilon is 2: it must lie between 0 and 1"),
        ("roformerv2", {"num_attention_heads": 32}, "hidden_size over num_attention_heads is 1: it must be even"),
    ],
)
def test_odd_values_are_refused(
    name: str, changes: dict[str, Any], message: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    loaded = make(vocabulary, name)
    save_model(loaded.model, vocabulary, tmp_path / "model")
    with pytest.raises(
        ModelError, match=rf"config\.json: {message}.*: (write or copy it again|(use a model with )?one of these)$"
    ):
        load_model(str(edit(tmp_path / "model", tmp_path / "copy", **changes)), PAIRS)


@pytest.mark.parametrize(("name", "key"), [("tinybert", "fit_size"), ("ernie_gram", "rel_pos_size")])
def test_sizes_that_the_weights_file_cannot_have(name: str, key: str, vocabulary: Vocabulary, tmp_path: Path) -> None:
    save_model(make(vocabulary, name).model, vocabulary, tmp_path / "model")
    with pytest.raises(ModelError, match=r"cannot hold the .* weights"):
        load_model(str(edit(tmp_path / "model", tmp_path / "copy", **{key: 10**8})), PAIRS)


def test_other_families_are_refused_by_name(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"model_type is 'gpt2': this toolkit loads ernie \(ERNIE\), bert .*roformerv2"
    ):
        load_model(str(edit(directory, tmp_path / "copy", model_type="gpt2")), PAIRS)


def test_tinyberts_layers_to_its_teacher_are_left_out(vocabulary: Vocabulary) -> None:
    assert not any("fit_dense" in name for name in make(vocabulary, "tinybert").model.state_dict())


def test_what_the_model_has_no_place_for_is_said(
    directory: Path, family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deeper model's file under a configuration of fewer layers loads, and is no secret."""
    load_model(str(directory), PAIRS)
    assert "left out" not in capsys.readouterr().err
    loaded = load_model(str(edit(directory, tmp_path / "copy", num_hidden_layers=1)), PAIRS)
    assert len(FAMILIES[family].layers(loaded.model)) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "left out" in line)
    assert "model_state" in line and f"({FAMILIES[family].prefix}.encoder.layers.1." in line and "..." in line


def test_two_texts_need_two_token_types(vocabulary: Vocabulary, family: str, afqmc_sample: DataSet) -> None:
    loaded = make_tiny_model(vocabulary, ("0", "1"), "seq_cls", family, **shape(family, type_vocab_size=1))
    with pytest.raises(ModelError, match="type_vocab_size is 1, so that it cannot tell the two texts"):
        Session(loaded, afqmc_sample, PAIRS)
    single = SequenceClassification(("0", "1"), 48, text_format="sentence")
    spec = DatasetSpec("s", "seq_cls", ("0", "1"), "sentence")
    data = DataSet(spec, None, [{"sentence": "花呗", "label": "1"}], None, "custom", "here")
    assert "accuracy" in Session(loaded, data, single).evaluate()


@pytest.mark.parametrize("epsilon", [1e-12, 1e-3])
@pytest.mark.parametrize("name", ["ernie", "bert", "tinybert"])
def test_normalisation_adds_what_the_configuration_says(vocabulary: Vocabulary, name: str, epsilon: float) -> None:
    model = make_tiny_model(vocabulary, ("0", "1"), "seq_cls", name, layer_norm_eps=epsilon).model
    assert {layer._epsilon for layer in model.sublayers() if isinstance(layer, paddle.nn.LayerNorm)} == {epsilon}


def test_families_by_configuration_and_by_published_name() -> None:
    assert family_of_config({}) is family_of_config({"architectures": ["Odd"]}) is FAMILIES["ernie"]
    assert family_of_config({"architectures": ["ErnieGramModel"]}) is FAMILIES["ernie_gram"]
    assert family_of_config({"model_type": "ernie", "architectures": ["BertModel"]}) is FAMILIES["ernie"]
    assert family_of_config({"model_type": "gpt2"}) is None
    names = {
        "bert-base-chinese": "bert",
        "uer/chinese-roberta-tiny": "bert",
        "ernie-3.0-nano-zh": "ernie",
        "ernie-1.0": "ernie",
        "tinybert-6l-768d-zh": "tinybert",
        "ernie-gram-zh": "ernie_gram",
        "roformer_v2_chinese_char_small": "roformerv2",
        "no-such-model": "ernie",
    }
    assert {name: published_family(name).name for name in names} == names


def call(root: Path, script: str, *arguments: str) -> str:
    """What a script prints, which has to end well."""
    few = ("--dataset", "afqmc", "--data_source", "sample", "--max_steps", "4", "--save_steps", "2", "--device", "cpu")
    command = [sys.executable, script, *few, "--max_seq_length", "48", "--disable_tqdm", "--report_to", "none"]
    done = subprocess.run([*command, *arguments], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_format_before_pir_is_written(session: Session, directory: Path, tmp_path: Path) -> None:
    """What multi_label/prune.py writes beside each size, and FastDeploy's Paddle backend reads."""
    session.export(tmp_path / "export", 8, {})
    assert (export_legacy(directory, tmp_path / "export") / "model.pdmodel").is_file()


@pytest.mark.slow
def test_a_script_fine_tunes_and_exports_bert(root: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    save_model(make(vocabulary, "bert").model, vocabulary, tmp_path / "bert")
    places = ("--output_dir", str(tmp_path / "out"), "--export_model_dir", str(tmp_path / "out"))
    call(root, "run_seq_cls.py", "--model_name_or_path", str(tmp_path / "bert"), *places)
    config = json.loads((tmp_path / "out" / "afqmc" / "config.json").read_text(encoding="utf-8"))
    assert (config["model_type"], config["architectures"]) == ("bert", ["BertForSequenceClassification"])
    answers = Predictor(tmp_path / "out" / "afqmc" / "export", num_threads=1).predict([("花呗怎么还款", "怎么还花呗")])
    assert len(answers) == 1


@pytest.mark.slow
def test_a_script_prunes_and_quantizes_roformerv2(root: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    save_model(make(vocabulary, "roformerv2").model, vocabulary, tmp_path / "model")
    sizes = ("--width_mult_list", "3/4", "--depth_mult_list", "1/2", "--prune_embeddings", "true")
    places = ("--model_name_or_path", str(tmp_path / "model"), "--output_dir", str(tmp_path / "out"))
    printed = call(root, "compress_seq_cls.py", "--strategy", "dynabert+ptq", *sizes, *places)
    assert "its positions have no table that could be cut" in printed
    pruned = tmp_path / "out" / "width_mult_0.75_depth_mult_0.5_vocab"
    config = json.loads((pruned / "config.json").read_text(encoding="utf-8"))
    assert (config["model_type"], config["num_hidden_layers"], config["pruned_num_attention_heads"]) == (
        "roformerv2",
        1,
        3,
    )
    for engine in ("onnxruntime", "openvino"):
        predictor = Predictor(pruned / "export", engine=engine, precision="int8", num_threads=1)
        assert len(predictor.predict([("花呗怎么还款", "怎么还花呗")])) == 1
