"""Small changes to a converted graph that leave its results as they are and let more runtimes read it.

OpenVINO (2023.0, which FastDeploy carries) takes no Reshape to a scalar and no output that is a copy.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def tidy_graph(model: "onnx.ModelProto") -> None:
    """Write `Reshape(x, [])` as `Squeeze(x)`, and give outputs the name of what they copy; in place."""
    graph = model.graph
    scalars = {item.name for item in graph.initializer if list(item.dims) == [0]}
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in scalars:
            node.op_type = "Squeeze"
            del node.input[1:]
            del node.attribute[:]
    _drop_unread(graph, scalars)
    _drop_copies(graph)


def _drop_unread(graph: "onnx.GraphProto", names: set[str]) -> None:
    read = {name for node in graph.node for name in node.input}
    kept = [item for item in graph.initializer if item.name not in names or item.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _drop_copies(graph: "onnx.GraphProto") -> None:
    """Let a node write an output itself where an Identity copied its result there."""
    outputs = {item.name for item in graph.output}
    makers = {name: node for node in graph.node for name in node.output}
    for copy in [node for node in graph.node if node.op_type == "Identity" and node.output[0] in outputs]:
        source, target = copy.input[0], copy.output[0]
        if source not in makers or source in outputs:
            continue  # an input or a constant, or the name of another output
        for node in graph.node:
            for place, name in enumerate(node.output):
                if name == source:
                    node.output[place] = target
            for place, name in enumerate(node.input):
                if name == source:
                    node.input[place] = target
        outputs.add(source)
        graph.node.remove(copy)
