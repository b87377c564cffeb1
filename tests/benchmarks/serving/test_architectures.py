from benchmarks.serving.architectures import CPU, GPU, Found, table


def test_the_table_has_a_line_for_each_way_to_read_and_its_worst_differences() -> None:
    parted = "stream, in two parts"
    found = {
        "rwkv": {CPU: Found(1e-7, 3e-7, 0.0, 0.5, "padded rows", False)},
        "llama": {
            CPU: Found(2e-6, 1e-6, 0.0, 0.5, parted, True),
            GPU: Found(5e-6, 1e-6, 0.0, 0.5, parted, True),
        },
        "qwen3": {
            CPU: Found(1e-6, 4e-6, 0.0, 0.5, parted, True),
            GPU: Found(1e-6, 7e-6, 0.0, 0.5, parted, True),
        },
        "bloom": {CPU: Found(1e-6, 1e-6, 0.0, 0.5, "padded rows", True)},
    }
    assert table(found).splitlines()[2:] == [
        f"| {parted} | once | 2e-06, 4e-06 | 5e-06, 7e-06 | llama, qwen3 |",
        "| padded rows | once | 1e-06, 1e-06 | the same rows | bloom |",
        "| padded rows | with every text | 1e-07, 3e-07 | the same rows | rwkv |",
    ]
