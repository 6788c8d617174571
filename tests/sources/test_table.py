import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets

import collapsejax as cj


@pytest.fixture
def iris(tmp_path):
    frame = sklearn_datasets.load_iris(as_frame=True)
    table = frame.data.assign(species=[frame.target_names[label] for label in frame.target])
    table.to_csv(tmp_path / "iris.csv", index=False)
    return tmp_path / "iris.csv", frame.data.to_numpy()


def write(folder, text, name="data.csv"):
    path = folder / name
    path.write_bytes(text.encode("utf-8-sig" if name.startswith("bom") else "utf-8"))
    return path


def test_numeric_columns_are_split_into_two_parts(iris):
    path, values = iris
    table = cj.sources.table(path)
    assert table.columns == ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
    assert (table.train.shape, table.test.shape) == ((120, 4), (30, 4))
    together = np.concatenate([table.train, table.test])
    np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(values.astype(np.float32), axis=0))
    np.testing.assert_allclose(table.mean, np.asarray(table.train).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(table.covariance, np.cov(table.train, rowvar=False, ddof=0), rtol=1e-3, atol=1e-5)
    same, other = cj.sources.table(path, split_seed=0), cj.sources.table(path, split_seed=1)
    np.testing.assert_array_equal(same.test, table.test)
    assert not np.array_equal(other.test, table.test)


def test_columns_by_name_and_standardized(iris):
    table = cj.sources.table(
        iris[0], columns=["petal width (cm)", "sepal length (cm)"], standardize=True, test_fraction=0.5
    )
    assert table.columns == ("petal width (cm)", "sepal length (cm)")
    np.testing.assert_allclose(np.asarray(table.train).mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.asarray(table.train).std(axis=0), 1, rtol=1e-6)
    assert np.abs(np.asarray(table.test).mean(axis=0)).max() > 1e-4  # by the training part's scale, not its own


def test_rows_are_drawn_without_replacement(iris, key):
    table = cj.sources.table(iris[0])
    rows = np.asarray(jnp.round(table.sample(key, (), 120) * 10)).astype(int)
    everything = np.asarray(jnp.round(table.train * 10)).astype(int)
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(everything, axis=0))
    assert table.sample_test(key, (), 30).shape == (30, 4)


@pytest.mark.parametrize(
    ("text", "name", "columns"),
    [
        ("a;b\n1;2\n3;4\n5;6\n", "semicolon.csv", ("a", "b")),
        ("a\tb\n1\t2\n3\t4\n5\t6\n", "tab.tsv", ("a", "b")),
        ("a,b\n1,2\n3,4\n5,6\n", "bom.csv", ("a", "b")),
        ("# a,b\n1,2\n3,4\n5,6\n", "savetxt.csv", ("a", "b")),
        (",a,b\n0,1,2\n1,3,4\n2,5,6\n", "index.csv", ("a", "b")),
        ('a,"b, c"\n1,2\n\n3,4\n5,6\n', "quotes.csv", ("a", "b, c")),
        ("a,when,b\n1,NA,2\n3,x,4\n5,7,6\n", "text.csv", ("a", "b")),
    ],
)
def test_kinds_of_files(tmp_path, text, name, columns):
    table = cj.sources.table(write(tmp_path, text, name), test_fraction=0.34)
    assert table.columns == columns
    assert sorted(np.concatenate([table.train, table.test])[:, 0]) == [1.0, 3.0, 5.0]


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(20.0).reshape(10, 2))
    assert cj.sources.table(tmp_path / "a.npy").columns == ("0", "1")
    assert cj.sources.table(tmp_path / "a.npy", columns=["1"]).train.shape == (8, 1)
    np.save(tmp_path / "b.npy", np.arange(10))
    assert cj.sources.table(tmp_path / "b.npy").train.shape == (8, 1)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "the file is empty"),
        ("a,b\n", {}, "no rows below"),
        ("2019,2020\n1,2\n3,4\n", {}, "line 1 holds numbers; put a line with the names"),
        ("0.5,x,20\n0.7,y,30\n0.9,z,40\n", {}, "line 1 calls columns of numbers 0.5, 20; put a line with the"),
        ("a,b\n" + "1,0.1\n2,0.1\n3,0.1\n" * 8, dict(standardize=True), "column 'b' is constant"),
        ("a\n1e-21\n2e-21\n3e-21\n", {}, "float32 cannot follow; standardize it"),
        ("a,b\n1,2\n3\n", {}, "line 3 has 1 fields and line 1 has 2"),
        ("a,b\nx,y\nz,w\n", {}, "none of its columns is numeric"),
        ("a,b\n1,2\n3,nan\n4,5\n", {}, r"column 'b' .*\(1 missing, the first in line 3\); .* drop 1 of 3 rows"),
        ("a,b\n1,2\n,3\n4,5\n", {}, r"column 'a' .*\(1 missing, the first in line 3\)"),
        ("a,b\n1,2\n4,inf\n4,5\n", {}, r"column 'b' .*1 no finite number, the first 'inf' in line 3"),
        ("a,b\n1,x\n2,y\n3,z\n", dict(columns=["b"]), r"column 'b' .*3 no finite number, the first 'x' in line 2"),
        ("alpha,b\n1,2\n3,4\n5,6\n", dict(columns=["alhpa"]), "no column 'alhpa'; did you mean 'alpha'"),
        ("a,a\n1,2\n3,4\n", {}, "two columns are named 'a'"),
        ("a,b\n1,2\n3,4\n", dict(columns=[]), "at least one name"),
        ("a,b\n1,2\n3,4\n", dict(test_fraction=1.5), "test_fraction=1.5: must lie between 0 and 1"),
        ("a,b\n1,2\n3,4\n", dict(test_fraction=0.01), "leaves one part empty"),
        ("a,b\n1,2\n3,4\n", dict(split_seed=-1), "split_seed=-1: must be at least 0"),
        ("a,b\n1,7\n3,7\n5,7\n", dict(standardize=True), "column 'b' is constant"),
    ],
)
def test_bad_files(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        cj.sources.table(write(tmp_path, text), **options)


def test_bad_arrays(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.csv: there is no such file"):
        cj.sources.table(tmp_path / "missing.csv")
    np.save(tmp_path / "nan.npy", np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]]))
    with pytest.raises(ValueError, match=r"column '1' .*1 missing, the first in row 1"):
        cj.sources.table(tmp_path / "nan.npy")
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="want one array of shape"):
        cj.sources.table(tmp_path / "cube.npy")
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    with pytest.raises(ValueError, match="want numbers"):
        cj.sources.table(tmp_path / "words.npy")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match="not an array in NumPy's format"):
        cj.sources.table(tmp_path / "broken.npy")


def test_years_are_names(tmp_path):
    assert cj.sources.table(write(tmp_path, "country,2019,2020\nx,1,2\ny,3,4\nz,5,6\n")).columns == ("2019", "2020")


@pytest.mark.parametrize(
    ("bandwidth", "far"), [(0.5, ["b"]), ("scott", ["b"]), (300.0, ["a"]), (30.0, []), ("scott-scaled", [])]
)
def test_bandwidths_far_from_the_scale_of_a_column_are_warned_of(tmp_path, bandwidth, far):
    lines = "".join(f"{k % 7},{1000 * (k % 5)}\n" for k in range(40))
    source = cj.sources.table(write(tmp_path, f"a,b\n{lines}"))
    assert repr(source) == f"table({source.path!r})"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cj.KDE(source, bandwidth).check(10)
        cj.KDE(cj.sources.table(source.path, standardize=True), 0.5).check(10)
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == bool(far)
    for text, name in zip(texts, far, strict=True):
        assert text.startswith(f"bandwidth={bandwidth}: is far from the standard deviations of the table ({name} ")


def test_tasks_refuse_what_a_table_cannot_give(iris, tmp_path, key):
    keys, size = cj.seed_keys(key, 2), dict(num_generations=2)
    table = cj.sources.table(iris[0])
    for task in (cj.Gaussian(source=table), cj.KDE(table, 0.5)):
        with pytest.raises(ValueError, match=r"num_samples=121: .* has 120 rows to fit to .* use at most 120"):
            cj.run_seeds(keys, task, cj.Replace(), num_samples=121, **size)
    dependent = cj.sources.table(
        write(tmp_path, "a,b,c,d\n" + "".join(f"{i},{i * i % 7},{3 * i - 1},5\n" for i in range(20)))
    )
    with pytest.raises(ValueError, match="columns 'c', 'd': constant, or fixed by the others"):
        cj.run_seeds(keys, cj.Gaussian(source=dependent), cj.Replace(), num_samples=5, **size)
