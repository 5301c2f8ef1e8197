"""`MetricReport` of PaddleNLP's guide: micro and macro F1 of batches of probabilities and labels.

from metric import MetricReport

metric = MetricReport()
metric.update(paddle.nn.functional.sigmoid(logits), labels)
micro_f1, macro_f1 = metric.accumulate()
"""

from ernie_toolkit.multi_label.metric_report import MetricReport

__all__ = ["MetricReport"]
