import platform
import subprocess
import sys

import pytest

COUNT = """
import ctypes, resource, sys
from backend.engine.cpu.heap import keep_freed
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def use():
    blocks = [libc.malloc(8 << 20) for _ in range(4)]
    for block in blocks: ctypes.memset(block, 1, 8 << 20)
    for block in blocks: libc.free(block)

def faults():
    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5): use()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 5

usual = faults()
print(keep_freed(), usual, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_memory_that_was_freed_is_used_again_without_page_faults() -> None:
    told = subprocess.run(
        [sys.executable, "-c", COUNT], capture_output=True, text=True, check=True
    ).stdout.split()
    pages = 4 * (8 << 20) // 4096  # fewer where the system gives huge ones
    assert told[0] == "True"
    assert int(told[1]) <= pages + 100
    assert int(told[2]) < 100
