"""Files as users have them, a small one of each kind: the task that reads it, and its text."""

import json

USER_FILES = {
    "custom.tsv": ("seq_cls", "text\tlabel\n怎么还款\t好\n卡丢了\t坏\n查余额\t好\n额度多少\t坏\n"),
    "custom.csv": ("seq_cls", 'text,label\n"怎么,还款",1\n卡丢了,2\n查余额,1\n'),
    "custom.jsonl": ("seq_cls", '{"text": "还款", "label": 1}\n{"text": "卡", "label": 2}\n' * 3),
    "list.json": ("seq_cls", json.dumps([{"text": "还款", "label": "好"}, {"text": "卡", "label": "坏"}])),
    "tags.txt": ("token_cls", "张 B-PER\n三 I-PER\n在 O\n\n京 B-LOC\n城 I-LOC\n"),
    "spans.jsonl": ("token_cls", '{"text": "张三在京城", "label": [[0, 2, "PER"], [3, 5, "LOC"]]}\n' * 3),
    "squad.json": (
        "qa",
        json.dumps(
            {
                "data": [
                    {
                        "paragraphs": [
                            {
                                "context": "张三在京城。",
                                "qas": [
                                    {"id": "1", "question": "谁", "answers": [{"text": "张三", "answer_start": 0}]}
                                ],
                            }
                        ]
                    }
                ]
            },
            indent=1,
        ),
    ),
    "choices.jsonl": (
        "multiple_choice",
        '{"context": "男：我是医生。", "question": "男的做什么？", "choices": ["医生", "司机"], "answer": 0}\n' * 3,
    ),
    "rows.jsonl": (
        "qa",
        "".join(
            f'{{"id": "{n}", "context": "张三在京城。", "question": "谁", '
            '"answers": {"text": ["张三"], "answer_start": [0]}}\n'
            for n in range(3)
        ),
    ),
}
