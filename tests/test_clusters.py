"""Spherical k-means and its online form against slow twins."""

import numpy as np
import pytest

import hardmine as hm
from tests.oracle import clusters as oracle
from tests.oracle import draw as noise


def blobs(rng, count=90, dimension=6, centres=4):
    middle = rng.standard_normal((centres, dimension))
    found = middle[rng.integers(0, centres, count)] + 0.3 * rng.standard_normal((count, dimension))
    return (found * rng.uniform(0.1, 9, (count, 1))).astype(np.float32)  # lengths must not matter


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("init", ["random", "farthest"])
def test_equals_the_twin(seed, init, count_cases):
    vectors = blobs(np.random.default_rng(seed))
    clusters = 2 + seed % 5
    first = noise.sample_uniform(
        1, clusters if init == "random" else 1, len(vectors), exclude=[[]], seed=seed, domain=noise.CLUSTERS
    )[0].tolist()
    if init == "farthest":
        first = oracle.farthest(vectors.tolist(), first[0], clusters)
    expected, centroids, rounds = oracle.kmeans(vectors.tolist(), first, 9)
    found = hm.spherical_kmeans(vectors, clusters, iterations=9, init=init, seed=seed)
    assert found.assignments.tolist() == expected
    assert found.iterations == rounds
    np.testing.assert_allclose(found.centroids, centroids, atol=2e-6)
    count_cases(len(vectors))


def test_threads_and_dtypes_change_nothing():
    torch = pytest.importorskip("torch")
    vectors = torch.from_numpy(blobs(np.random.default_rng(3), 300)).bfloat16()
    one = hm.spherical_kmeans(vectors, 7, seed=5, num_threads=1)
    for threads in (2, 8):
        other = hm.spherical_kmeans(vectors.float().numpy(), 7, seed=5, num_threads=threads)
        assert other.assignments.tolist() == one.assignments.tolist()
        assert other.centroids.tobytes() == one.centroids.tobytes()


def test_no_cluster_is_empty_and_equal_vectors_go_to_the_lower_one():
    vectors = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    found = hm.spherical_kmeans(vectors, 5, seed=1)
    assert found.sizes.min() >= 1
    assert found.sizes.sum() == 15
    again = hm.Clusters(np.array([[1, 0, 0], [2, 0, 0]], np.float32), [0])
    assert again.assign(np.array([[3, 1, 0], [0, 0, 0]], np.float32)).tolist() == [0, 0]
    assert again.second_nearest(np.array([[3, 1, 0]], np.float32)).tolist() == [1]


def test_separated_topics_are_found():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 400)
    vectors = (10 * np.eye(8)[labels] + rng.standard_normal((400, 8))).astype(np.float32)
    found = hm.spherical_kmeans(vectors, 5, init="farthest")
    assert found.converged
    for label in range(5):
        assert len(set(found.assignments[labels == label].tolist())) == 1
    assert found.assign(vectors).tolist() == found.assignments.tolist()
    assert "5 of 400 vectors, converged" in repr(found)


def test_online_waits_starts_and_follows():
    rng = np.random.default_rng(1)
    alike = (1 + 0.01 * rng.standard_normal((8, 4))).astype(np.float32)
    online = hm.OnlineClusters(3, rate=0.25, seed=2)
    assert online.step(alike) is None
    batch = blobs(rng, 12, 4)
    first = int(noise.sample_uniform(1, 1, 12, exclude=[[]], seed=2, domain=noise.ONLINE_CLUSTERS)[0, 0])
    before = batch[oracle.farthest(batch.tolist(), first, 3)].astype(np.float64)
    for _ in range(3):
        found = online.step(batch)
        assert found.tolist() == [cluster for cluster, _ in oracle.assign(batch.tolist(), before.tolist())]
        for cluster in range(3):
            members = batch[found == cluster].astype(np.float64)
            if len(members):
                before[cluster] = 0.25 * members.sum(axis=0) + 0.75 * before[cluster]
        np.testing.assert_allclose(online.centroids, before, rtol=1e-5, atol=1e-6)
        batch = blobs(rng, 12, 4)[:2].repeat(6, axis=0)  # some clusters get nothing, and stay
    ranked = [sorted(range(3), key=lambda c: -oracle.cosine(v, online.centroids[c].tolist())) for v in batch.tolist()]
    assert online.second_nearest(batch).tolist() == [order[1] for order in ranked]
    with pytest.raises(ValueError, match="batch: dimension 5, expected 4"):
        online.step(np.ones((4, 5), np.float32))
