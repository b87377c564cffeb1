from benchmarks.serving.architectures import Found, table


def test_the_table_has_a_line_for_each_way_to_read_and_its_worst_difference() -> None:
    found = {
        "rwkv": Found(1e-7, 3e-7, 0.0, 0.5, "padded rows", False),
        "llama": Found(2e-6, 1e-6, 0.0, 0.5, "stream, in two parts", True),
        "qwen3": Found(1e-6, 4e-6, 0.0, 0.5, "stream, in two parts", True),
        "bloom": Found(1e-6, 1e-6, 0.0, 0.5, "padded rows", True),
    }
    assert table(found).splitlines()[2:] == [
        "| stream, in two parts | once | 2e-06, 4e-06 | llama, qwen3 |",
        "| padded rows | once | 1e-06, 1e-06 | bloom |",
        "| padded rows | with every text | 1e-07, 3e-07 | rwkv |",
    ]
