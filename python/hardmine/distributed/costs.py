"""What a search on a cluster takes, by formula: memory, what moves between nodes, and time; see ``docs/scale.md``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from hardmine.distributed.bounds import HEADS
from hardmine.distributed.spread import FAN_IN
from hardmine.pipeline.cached import most_queries
from hardmine.pipeline.foresee import CANDIDATE
from hardmine.pipeline.plan import shown_duration, shown_size
from hardmine.plumbing import checks
from hardmine.primitives.search.plan import search_plan

if TYPE_CHECKING:
    from hardmine.pipeline.plan import Plan

TASK_SECONDS = 0.005
PUT_BYTES = 6e8
MERGED_CANDIDATES = 2.5e7
TOLD = 0.8
"""Seconds that a task costs beside its work, bytes a second into the object store, candidates a second through a merge
on one thread, work of a task that was told what others reach over that of one that was not: measured on two cores, see
``docs/scale.md``."""
NETWORK_BYTES = 1.25e9
"""Bytes a second of a network of 10 Gbit/s."""


@dataclasses.dataclass(frozen=True)
class Costs:
    """What `costs` foresees. Sizes are in bytes, times in seconds.

    Attributes
    ----------
    num_shards, tasks, nodes : int
        Shards of the documents; tasks that run at the same time; nodes that they run on.
    num_tasks : int
        Tasks of the search: one for each shard and block of queries.
    shard : int
        Embeddings, or weights, of the documents of one shard.
    task : int
        Memory of the process of a task, beyond libraries and what is in the object store.
    store : int
        Most that all object stores hold at a time.
    caller : int
        Memory of the process that calls, beyond the collection, the teacher and mapped embeddings.
    sent : int
        What leaves the node of that process: shards and queries to the other nodes.
    gathered : int
        Candidates that move between tasks and back, and the scores by which later tasks know what need not be listed;
        where every shard has its share of the best documents of a query.
    seconds_embedding, seconds_putting, seconds_searching, seconds_merging, seconds_sending : float
        Embedding on so many actors as tasks; copies into the object store; the search, with what a task costs
        besides; merges; `sent` and `gathered` through one link of 10 Gbit/s. All but the first overlap.
    """

    num_shards: int
    tasks: int
    nodes: int
    num_tasks: int
    shard: int
    task: int
    store: int
    caller: int
    sent: int
    gathered: int
    seconds_embedding: float
    seconds_putting: float
    seconds_searching: float
    seconds_merging: float
    seconds_sending: float

    def summary(self) -> str:
        """The costs as readable text."""
        rows = [
            (
                "shard",
                shown_size(self.shard),
                f"of {self.num_shards:,}; {self.num_tasks:,} tasks, {self.tasks:,} at a time",
            ),
            ("task", shown_size(self.task), "memory of its process, beyond libraries"),
            ("object stores", shown_size(self.store), f"at a time, of all {self.nodes:,} nodes together"),
            ("caller", shown_size(self.caller), "memory of its process, beyond texts and teacher"),
            ("sent", shown_size(self.sent), "shards and queries, to other nodes"),
            ("gathered", shown_size(self.gathered), "candidates between tasks, and back"),
            ("embedding", shown_duration(self.seconds_embedding), "on as many actors as tasks"),
            ("putting", shown_duration(self.seconds_putting), f"at {PUT_BYTES / 1e9:g} GB/s"),
            ("searching", shown_duration(self.seconds_searching), f"as measured, and {TASK_SECONDS * 1e3:g} ms a task"),
            (
                "merging",
                shown_duration(self.seconds_merging),
                f"at {MERGED_CANDIDATES / 1e6:g} million candidates/s a task",
            ),
            ("sending", shown_duration(self.seconds_sending), "through one link of 10 Gbit/s"),
            ("all", shown_duration(self.seconds), "where nothing overlaps"),
        ]
        return "\n".join(["on a cluster", *(f"  {name:<20}{value:>12}  {how}" for name, value, how in rows)])

    @property
    def seconds(self) -> float:
        """Time of a run in which nothing overlaps."""
        parts = self.seconds_putting, self.seconds_searching, self.seconds_merging, self.seconds_sending
        return self.seconds_embedding + sum(parts)

    def to_dict(self) -> dict[str, Any]:
        """All attributes and ``seconds``."""
        return {**dataclasses.asdict(self), "seconds": self.seconds}


def costs(
    plan: Plan,
    num_shards: int,
    *,
    tasks: int = 1,
    nodes: int = 1,
    max_memory: int | str | None = None,
    num_threads: int | None = None,
) -> Costs:
    """What the retrieval of a plan takes on a cluster.

    Parameters
    ----------
    plan : Plan
        Of the whole retrieval, made with the threads of a task on a machine like those of the cluster.
    num_shards : int
    tasks : int
        Tasks that run at the same time.
    nodes : int
        Nodes that they run on.
    max_memory, num_threads
        Of a task.

    Raises
    ------
    TypeError, ValueError
        A number is below 1.
    """
    num_shards = checks.integer("num_shards", num_shards, minimum=1)
    tasks, nodes = checks.integer("tasks", tasks, minimum=1), checks.integer("nodes", nodes, minimum=1)
    queries, documents, k = plan.num_queries, plan.num_documents, plan.k
    of_queries = plan.embeddings * queries // max(queries + documents, 1)
    of_documents = plan.embeddings - of_queries if plan.embeddings else plan.index
    blocks = max(1, -(-queries // most_queries(k)))
    in_block, in_shard = -(-queries // blocks), -(-documents // num_shards)
    working = plan.working
    if plan.dimension:
        working = search_plan(
            in_block, in_shard, plan.dimension, k,
            similarity=plan.similarity, dtype=plan.dtype, max_memory=max_memory, num_threads=num_threads,
        ).working  # fmt: skip
    shard = -(-of_documents // num_shards)
    found = min(k, in_shard)
    lengths = _lengths(num_shards, found, k, tasks, blocks)
    gathered = int(queries * (sum(lengths) + sum(_merges(lengths, k))))
    told = 4 * queries * num_shards * (min(k, HEADS) + 1)
    sent = of_documents * min(nodes - 1, blocks) + of_queries * (nodes - 1)
    # All blocks of a shard follow one another: the tasks that run, and the one that waits, need so many shards.
    resident = min(num_shards, -(-(tasks + 1) // blocks) + 1)
    rate = plan.pairs_per_second or float("inf")
    waves = -(-num_shards * blocks // tasks)
    knowing = sum(_is_told(shard, found, k, tasks, blocks) for shard in range(num_shards)) / num_shards
    work = in_block * in_shard / rate * (1 - (1 - TOLD) * knowing)
    return Costs(
        num_shards=num_shards,
        tasks=tasks,
        nodes=nodes,
        num_tasks=num_shards * blocks,
        shard=shard,
        task=working + in_block * found * CANDIDATE,
        store=resident * shard + of_queries + FAN_IN * queries * k * CANDIDATE,
        caller=plan.result,
        sent=sent,
        gathered=gathered * CANDIDATE + told,
        seconds_embedding=plan.seconds_embedding / tasks,
        seconds_putting=(of_documents + of_queries) / PUT_BYTES,
        seconds_searching=waves * (work + TASK_SECONDS),
        seconds_merging=gathered / MERGED_CANDIDATES / tasks,
        seconds_sending=(sent + gathered * CANDIDATE + told) / NETWORK_BYTES if nodes > 1 else 0.0,
    )


def _ended(shard: int, tasks: int, blocks: int) -> int:
    """Shards that were searched when the task of one is given what is known: all others that run are under way."""
    return max(0, shard + 1 - -(-tasks // blocks))


def _is_told(shard: int, found: int, k: int, tasks: int, blocks: int) -> bool:
    """Whether those that have ended have k documents to tell of."""
    return _ended(shard, tasks, blocks) * found >= k > 0


def _lengths(num_shards: int, found: int, k: int, tasks: int, blocks: int) -> list[float]:
    """Candidates that each shard gives for a query: fewer where others have ended, and say what k documents reach."""
    lengths: list[float] = []
    for shard in range(num_shards):
        share: float = found
        if _is_told(shard, found, k, tasks, blocks):
            # Its share of the k best of so many shards, and half of what lies between two of the scores that are told.
            share = k / _ended(shard, tasks, blocks) + (k / min(k, HEADS) - 1) / 2
        lengths.append(min(found, share))
    return lengths


def _merges(lengths: list[float], k: int) -> list[float]:
    """Candidates that each merge gives for a query, of lists as they come one after the other."""
    waiting: list[float] = []
    sizes: list[float] = []
    for left, length in zip(reversed(range(len(lengths))), lengths, strict=True):
        waiting.append(length)
        while len(waiting) >= FAN_IN or (not left and len(waiting) > 1):
            sizes.append(min(k, sum(waiting[:FAN_IN])))
            waiting = [*waiting[FAN_IN:], sizes[-1]]
    return sizes
