"""A Ray cluster of two nodes on this machine, in a process of its own that takes its commands from standard input.

    python tests/support/ray_nodes.py

Prints the address. "kill" ends the second node with its workers, "add" starts another one; the end of input ends all.
"""

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Start the nodes and do what is asked."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            cluster.remove_node(second, allow_graceful=False)
        elif line.strip() == "add":
            second = cluster.add_node(num_cpus=1)
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
