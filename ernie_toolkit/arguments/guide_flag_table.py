"""The flags of PaddleNLP's guides, by the script of ours that takes them, and what each is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

DOES, OTHER_NAME, NOT_NEEDED = "does it", "other name", "not needed"
# What a flag that is not needed may be set to, where other values ask for something that is not done.
ONLY = {"optim": ("adamw",)}
# Scripts that mostly have the same flags, as the table names them.
FAMILIES = (
    "run_*.py",
    "compress_*.py",
    "deploy/predictor/infer_*.py",
    "deploy/python/*_infer.py",
    "deploy/simple_serving/server_*.py",
    "deploy/simple_serving/client_*.py",
)


@dataclass(frozen=True)
class GuideFlag:
    """A flag of PaddleNLP's, and what it is here.

    Attributes:
        name: Its name there.
        values: Values it may have there.
        kind: `DOES`, `OTHER_NAME` or `NOT_NEEDED`.
        text: Of another name our flag, alone or with the value that a switch of theirs stands for ("--device cpu"); of
            a flag that is not needed the reason.
    """

    name: str
    values: tuple[str, ...]
    kind: str = DOES
    text: str = ""

    @property
    def words(self) -> list[str]:
        """The flag with its values, as on a command line."""
        return [f"--{self.name}", *self.values]


Flags = Tuple[GuideFlag, ...]


def _flags(words: str, kind: str = DOES, text: str = "") -> Flags:
    """Flags from "name name=value name=value,value"."""
    pairs = (word.partition("=") for word in words.split())
    return tuple(GuideFlag(name, tuple(value.split(",")) if value else (), kind, text) for name, _, value in pairs)


def _not(reason: str, words: str) -> Flags:
    return _flags(words, NOT_NEEDED, reason)


def _other(our: str, words: str) -> Flags:
    return _flags(words, OTHER_NAME, our)


_LOOP = _flags(
    "evaluation_strategy=epoch save_strategy=epoch logging_strategy=steps logging_first_step=true logging_dir=runs "
    "load_best_model_at_end=true metric_for_best_model=eval_accuracy learning_rate=3e-5 weight_decay=0.01 "
    "adam_beta1=0.9 adam_beta2=0.999 adam_epsilon=1e-8 max_grad_norm=1.0 max_steps=100 lr_scheduler_type=linear "
    "warmup_ratio=0.1 warmup_steps=0 num_cycles=0.5 lr_end=1e-7 power=1.0 logging_steps=10 save_steps=100 "
    "eval_steps=100 save_total_limit=1 per_device_eval_batch_size=32 gradient_accumulation_steps=1 seed=42 bf16=false "
    "recompute=false dataloader_num_workers=0 device=gpu:0 disable_tqdm=true report_to=visualdl "
    "overwrite_output_dir=true max_seq_length=128"
)
_BATCHES = _flags("per_device_train_batch_size=32 num_train_epochs=3")
_MIXED = _flags("fp16=false fp16_opt_level=O1 scale_loss=32768")
_SPLIT = "one card holds a model of this size; paddle.distributed.launch shares the batches among several"
_UNUSED_LOOP = (
    *_other("--device cpu", "no_cuda=true"),
    *_not("all rows are encoded once, before training", "lazy_data_processing=true"),
    *_not(
        "rows hold only what the model reads",
        "remove_unused_columns=false label_names=labels past_index=-1 pad_token_id=0",
    ),
    *_not(
        "dev figures are computed of all dev rows, whose logits are kept in the computer's memory",
        "prediction_loss_only=false eval_accumulation_steps=4",
    ),
    *_not("--max_dev_samples says how many dev rows there are", "max_evaluate_steps=-1"),
    *_not("a run is evaluated four times at least, or as --eval_steps says", "minimum_eval_times=4"),
    *_not("evaluation computes in the model's own precision", "fp16_full_eval=false bf16_full_eval=false"),
    *_not("loss is better when it is lower, every other figure when it is higher", "greater_is_better=true"),
    *_not("AdamW is the optimizer", "optim=adamw flatten_param_grads=false"),
    *_not(
        "Paddle's own lists of operators are used, and its own gradients",
        "amp_custom_black_list=exp amp_custom_white_list=matmul amp_master_grad=false",
    ),
    *_not("--recompute holds for all layers", "refined_recompute=mlp_row_ln:-1"),
    *_not("training runs the dynamic graph", "to_static=false"),
    *_not("the last, smaller batch of an epoch is trained on like the others", "dataloader_drop_last=false"),
    *_not(
        "a run that goes on starts with the row after the last one, in the state it was in",
        "ignore_data_skip=false ignore_load_lr_and_optim=false ignore_save_lr_and_optim=false "
        "skip_data_intervals=[[1]]",
    ),
    *_not(
        "a checkpoint is one directory, written whole by the first process",
        "save_on_each_node=false output_signal_dir=signals use_async_save=false unified_checkpoint=false "
        "unified_checkpoint_config=async_save ckpt_quant_stage=O0 ordered_save_group_size=0 "
        "pdc_download_ckpt=false pdc_download_timeout=300",
    ),
    *_not(
        "the first process logs, to VisualDL and metrics.json",
        "log_on_each_node=true run_name=first wandb_api_key=none wandb_http_proxy=none metrics_output_path=metrics",
    ),
    *_not("paddle.distributed.launch tells each process its place", "local_rank=-1"),
    *_not("nothing is profiled", "skip_memory_metrics=true skip_profile_timer=true count_trained_tokens=false"),
    *_not(
        _SPLIT,
        "sharding=stage2 sharding_degree=-1 sharding_parallel_degree=-1 sharding_parallel_mesh_dimension=dp "
        "sharding_parallel_config=split_param sharding_comm_buffer_size_MB=-1 save_sharded_model=false "
        "load_sharded_model=false tensor_parallel_degree=-1 tensor_parallel_config=sync_param "
        "pipeline_parallel_degree=-1 pipeline_parallel_config=disable_partial_send_recv sep_parallel_degree=-1 "
        "context_parallel_degree=-1 expert_parallel_degree=-1 expert_tensor_parallel_degree=-1 "
        "split_inputs_sequence_dim=true data_parallel_config=gradient_sync_after_accumulate "
        "sequence_parallel=false sequence_parallel_config=none fuse_sequence_parallel_allreduce=false "
        "hybrid_parallel_topo_order=pp_first use_expert_parallel=false expert_max_capacity=1024 "
        "expert_min_capacity=1 ddp_find_unused_parameters=false distributed_dataloader=false "
        "enable_auto_parallel=false auto_parallel_resume_form_hybrid_parallel=false force_reshard_pp=false "
        "release_grads=false offload_optim=false save_sharding_stage1_model_include_freeze_params=false",
    ),
)
_DATA = (
    GuideFlag("dataset", ("clue tnews",)),
    *_flags("model_name_or_path=ernie-3.0-medium-zh output_dir=best_models config=default.yml"),
    *_other("--dataset", "task_name=tnews"),
    *_not("a question keeps up to half of each window", "max_query_length=64"),
    *_not("every question gets an answer: no score decides for an empty one", "null_score_diff_threshold=0.0"),
    *_not("each batch is padded to its own longest row", "dynamic_max_length=16,32,64"),
    *_not(
        "rows are encoded in every run, by the fast tokenizer",
        "preprocessing_num_workers=4 overwrite_cache=true use_fast_tokenizer=true use_faster=true",
    ),
    *_not("the model's own vocabulary says whether letters are lowered", "do_lower_case=false"),
)
_WINDOWS = "doc_stride=128 n_best_size=20 max_answer_length=50"
_NO_WINDOWS = _not("texts are read in one piece: it is for question answering (run_qa.py, compress_qa.py)", _WINDOWS)
_RUN = (
    *_DATA,
    *_BATCHES,
    *_LOOP,
    *_MIXED,
    *_UNUSED_LOOP,
    *_flags("do_train do_eval do_predict do_export export_model_dir=best_models resume_from_checkpoint=checkpoint-8"),
)
_IN_FLOAT32 = _not("models are compressed in FP32 or --bf16; --fp16 asks for an FP16 model", "fp16_opt_level=O1")
_STEPS = _not("the script's parts run one after the other", "do_train do_eval do_predict do_export do_compress")
_PARTS = _not("--resume goes on behind the last finished part of a run", "resume_from_checkpoint=checkpoint-8")
_COMPRESSION = (
    *_flags(
        "fp16=false scale_loss=32768 strategy=dynabert+ptq width_mult_list=3/4,2/3 algo_list=hist,mse "
        "batch_size_list=4,8,16 batch_num_list=1 weight_quantize_type=channel_wise_abs_max "
        "activation_quantize_type=moving_average_abs_max round_type=round bias_correction=false use_pact=true "
        "moving_rate=0.9"
    ),
    *_flags("prune_embeddings=true max_vocab_size=8000"),
    *_not("graphs read int64 and are ONNX, beside Paddle's own format", "input_dtype=int64 onnx_format=true"),
    *_BATCHES,
    *_LOOP,
    *_UNUSED_LOOP,
    *_IN_FLOAT32,
    *_STEPS,
    *_PARTS,
)
_COMPRESS = (
    *_DATA,
    *_COMPRESSION,
    *_flags("input_infer_model_path=export"),
    *_not("bundles go to directories in --output_dir", "export_model_dir=best_models"),
)
_FOLDER = _flags("device=gpu:0 dataset_dir=data")
_FILES = _flags("train_file=train.txt dev_file=dev.txt label_file=label.txt")
_FIXED_FORM = _not("--dataset_dir says which data there is", "dataset=cail2018_small task_name=charges")
_OWN_NAME = _not("the model in --params_path is what it is", "model_name=ernie-3.0-medium-zh")
_OWN_INPUTS = _not("the model itself says what it reads", "multilingual")
_TRAINED = (*_FOLDER, *_flags("params_path=checkpoint max_seq_length=128 batch_size=32"))
_TRAIN = (
    *_flags("dataset_dir=data"),
    *_FILES,
    *_LOOP,
    *_MIXED,
    *_UNUSED_LOOP,
    *_FIXED_FORM,
    *_flags(
        "save_dir=checkpoint model_name=ernie-3.0-medium-zh batch_size=32 epochs=100 early_stop early_stop_nums=4 "
        "warmup init_from_ckpt=model_state.pdparams resume_from_checkpoint=checkpoint-8"
    ),
    *_other("--batch_size", "per_device_train_batch_size=32"),
    *_other("--epochs", "num_train_epochs=3"),
    *_other("--early_stop", "early_stopping=true"),
    *_other("--early_stop_nums", "early_stopping_patience=5"),
    *_other("--model_name", "model_name_or_path=ernie-3.0-medium-zh"),
    *_other("--save_dir", "output_dir=checkpoint"),
    *_not(
        "train.py trains and evaluates, predict.py predicts, export_model.py exports",
        "do_train do_eval do_predict do_export export_model_dir=export",
    ),
)
_PRUNE = (
    *(item for item in _COMPRESSION if item.name not in ("fp16", "fp16_opt_level", "width_mult_list")),
    *_FIXED_FORM,
    *_flags("dataset_dir=data output_dir=prune params_dir=checkpoint"),
    *_other("--params_dir", "model_name_or_path=checkpoint"),
    *_other("--width_mult", "width_mult_list=3/4,2/3"),
    *_not("models are pruned in FP32 or --bf16", "fp16=false fp16_opt_level=O1"),
    *_not("a trained model is pruned, not a bundle", "input_infer_model_path=export"),
)
_VOCABULARY = _not("a bundle holds its own vocabulary", "model_name_or_path=ernie-3.0-medium-zh vocab_path=vocab.txt")
_CPU = (
    *_flags("task_name=seq_cls model_path=export max_seq_length=128 precision_mode=int8 num_threads=4"),
    *_VOCABULARY,
    *_other("--precision_mode int8", "enable_quantize"),
    *_not("this script computes on the CPU", "device=cpu"),
)
_PADDLE = (
    *_flags(
        "task_name=tnews model_path=export device=cpu batch_size=32 max_seq_length=128 num_threads=4 perf "
        "perf_warmup_steps=20"
    ),
    *_VOCABULARY[:1],
    *_other("--precision_mode", "precision=int8"),
    *_other("--precision_mode int8", "enable_quantize"),
    *_other("--precision_mode bf16", "enable_bf16"),
    *_other("--engine onnxruntime", "use_onnxruntime=true"),
    *_not(
        "shapes are measured for TensorRT, on a GPU: deploy/predictor/infer_gpu.py --set_dynamic_shape",
        "collect_shape shape_file=shape_info.txt",
    ),
    *_not("this script computes without TensorRT: deploy/predictor/infer_gpu.py --use_trt", "use_trt"),
    *_not("Paddle Lite computes on NPUs", "use_lite"),
    *_not("ONNX Runtime computes with its own kernels", "provider=CPUExecutionProvider"),
    *_not("graphs are not written to files", "debug"),
    *_not("texts are encoded when they are predicted", "lazy_data_processing=true"),
    *_not("a bundle keeps what run_qa.py was given", "n_best_size=20 max_answer_length=50"),
)
_GPU = (
    *_flags(
        "task_name=seq_cls model_path=export batch_size=32 max_seq_length=128 precision_mode=fp16 set_dynamic_shape "
        "shape_info_file=shape_info.txt use_trt"
    ),
    *_VOCABULARY,
    *_not("this script computes on a GPU; --device_id says which", "device=gpu"),
)
_FASTDEPLOY = (
    *_flags(
        "model_dir=export model_prefix=model device=gpu:0 backend=onnx_runtime batch_size=1 max_length=128 "
        "use_fp16=false cpu_num_threads=4 use_fast=true"
    ),
    *_VOCABULARY,
    *_not("answers are printed, and no progress", "log_interval=10"),
)
_SERVER = (
    *_flags("host=0.0.0.0 port=8189 workers=1"),
    *_not("the script finds its own modules", "app_dir=deploy"),
    *_not("warnings are always printed; --access_log adds a line for each request", "log_level=20"),
    *_not("--queue_size bounds the requests that are taken, --max_connections the connections", "limit-concurrency=64"),
    *_not("a worker serves until it is stopped", "limit-max-requests=1000 reload=false"),
    *_not("--keep_alive_timeout says how long a connection may be idle", "timeout-keep-alive=15"),
)
_CLIENT = _flags("max_seq_len=128 batch_size=2")
_INFER = (
    *_flags(
        "model_path_prefix=export/float32 device=gpu:0 device_id=0 max_seq_length=128 batch_size=32 num_threads=4 "
        "use_fp16 use_quantize dataset_dir=data perf perf_dataset=dev"
    ),
    *_VOCABULARY,
    *_OWN_INPUTS,
)

SCRIPTS: dict[str, Flags] = {
    "run_seq_cls.py": (*_RUN, *_NO_WINDOWS),
    "run_token_cls.py": (*_RUN, *_NO_WINDOWS),
    "run_qa.py": (*_RUN, *_flags(_WINDOWS)),
    "run_multiple_choice.py": (*_RUN, *_NO_WINDOWS),
    "compress_seq_cls.py": (*_COMPRESS, *_NO_WINDOWS),
    "compress_token_cls.py": (*_COMPRESS, *_NO_WINDOWS),
    "compress_qa.py": (*_COMPRESS, *_flags(_WINDOWS)),
    "compress_multiple_choice.py": (*_COMPRESS, *_NO_WINDOWS),
    "multi_label/train.py": _TRAIN,
    "multi_label/doccano.py": _flags(
        "doccano_file=doccano.jsonl save_dir=data splits=0.8,0.1,0.1 task_type=multi_label separator=## "
        "is_shuffle=true seed=1000 valid dirty"
    ),
    "multi_label/predict.py": (
        *_TRAINED,
        *_flags("data_file=data.txt label_file=label.txt output_file=output.txt"),
        *_OWN_NAME,
    ),
    "multi_label/export_model.py": (
        *_flags("params_path=checkpoint output_path=export"),
        *_OWN_INPUTS,
        *_OWN_NAME,
        *_not("the model has its labels", "num_classes=20"),
    ),
    "multi_label/prune.py": _PRUNE,
    "multi_label/analysis/evaluate.py": (
        *_TRAINED,
        *_FILES,
        *_flags("bad_case_file=bad_case.txt"),
        *_other("--bad_case_file", "bad_case_path=bad.txt"),
    ),
    "multi_label/analysis/sparse.py": (
        *_TRAINED,
        *_FILES,
        *_flags(
            "aug_strategy=substitute annotate seed=3 rationale_num_sparse=3 rationale_num_support=6 sparse_num=100 "
            "support_num=100 support_threshold=0.7 unlabeled_file=data.txt sparse_file=sparse.txt "
            "support_file=support.txt"
        ),
    ),
    "multi_label/analysis/dirty.py": (
        *_TRAINED,
        *_flags(
            "seed=3 dirty_num=100 dirty_file=train_dirty.txt rest_file=train_dirty_rest.txt train_file=train.txt "
            "label_file=label.txt dirty_threshold=0"
        ),
    ),
    "multi_label/analysis/aug.py": _flags(
        "train_path=train.txt aug_path=aug.txt aug_strategy=mix aug_type=mlm create_n=2 aug_percent=0.1 device=gpu:0"
    ),
    "deploy/predictor/infer_cpu.py": _CPU,
    "deploy/predictor/infer_gpu.py": _GPU,
    "deploy/predictor/infer.py": _PADDLE,
    "deploy/python/seq_cls_infer.py": _FASTDEPLOY,
    "deploy/python/token_cls_infer.py": _FASTDEPLOY,
    "deploy/simple_serving/server_seq_cls.py": _SERVER,
    "deploy/simple_serving/server_token_cls.py": _SERVER,
    "deploy/simple_serving/server_qa.py": _SERVER,
    "deploy/simple_serving/client_seq_cls.py": (*_CLIENT, *_flags("dataset=afqmc")),
    "deploy/simple_serving/client_token_cls.py": _CLIENT,
    "deploy/simple_serving/client_qa.py": (*_CLIENT, *_flags("doc_stride=128")),
    "multi_label/deploy/predictor/infer.py": _INFER,
    "multi_label/deploy/simple_serving/server.py": _SERVER,
    "multi_label/deploy/simple_serving/client.py": (*_CLIENT, *_flags("prob_limit=0.5")),
    "multi_label/deploy/paddle_serving/service.py": (
        *_flags("max_seq_length=128"),
        *_not("a bundle holds its own vocabulary", "model_name=ernie-3.0-medium-zh"),
    ),
}
"""Our scripts, by their path, and the flags that theirs of the same name have."""
