"""An nbdkit plugin: a disk with a volatile write cache that loses its power.

Writes stay in memory until they are flushed. Once the file `ctl` exists, the next flush finds the power
gone: of every unflushed write each 512-byte sector reaches the image or does not, as the seed decides,
and from then on every call fails. `ctl` with `.done` behind it says what was kept.

Once the file `fail` exists, the next flush fails, loses every unflushed write and removes the file; later
flushes succeed, as on a disk that had one bad moment.

Parameters: img=IMAGE ctl=FILE fail=FILE seed=NUMBER
"""
import builtins
import os
import random

import nbdkit

API_VERSION = 2
SECTOR_SIZE = 512
EIO = 5

settings = {}
image = None
unflushed = []  # (offset, bytes) in the order of arrival
is_dead = False


def config(key, value):
    settings[key] = value


def thread_model():
    return nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS


def get_ready():
    global image
    image = os.open(settings["img"], os.O_RDWR)


def open(readonly):
    return 1


def get_size(handle):
    return os.fstat(image).st_size


def can_write(handle):
    return True


def can_flush(handle):
    return True


def can_fua(handle):
    return nbdkit.FUA_NATIVE


def can_multi_conn(handle):
    return True


def pread(handle, buffer, offset, flags):
    wanted = bytearray(os.pread(image, len(buffer), offset))
    for start, data in unflushed:
        first, last = max(start, offset), min(start + len(data), offset + len(buffer))
        if first < last:
            wanted[first - offset : last - offset] = data[first - start : last - start]
    buffer[:] = wanted


def pwrite(handle, buffer, offset, flags):
    is_forced = flags & nbdkit.FLAG_FUA
    if is_forced:
        lose_power_if_asked()
    refuse_if_dead()
    unflushed.append((offset, bytes(buffer)))
    if is_forced:
        write_out()


def flush(handle, flags):
    lose_power_if_asked()
    refuse_if_dead()
    if os.path.exists(settings["fail"]):
        unflushed.clear()
        os.unlink(settings["fail"])
        raise OSError(EIO, "this flush fails")
    write_out()


def write_out():
    for offset, data in unflushed:
        os.pwrite(image, data, offset)
    unflushed.clear()


def refuse_if_dead():
    if is_dead:
        raise OSError(EIO, "the power is gone")


def lose_power_if_asked():
    global is_dead
    if is_dead or not os.path.exists(settings["ctl"]):
        return
    rng = random.Random(int(settings["seed"]))
    sectors = [
        (offset + at, data[at : at + SECTOR_SIZE])
        for offset, data in unflushed
        for at in range(0, len(data), SECTOR_SIZE)
    ]
    kept = [sector for sector in sectors if rng.random() < 0.5]
    for offset, data in kept:
        os.pwrite(image, data, offset)
    unflushed.clear()
    is_dead = True
    with builtins.open(settings["ctl"] + ".done", "w") as done:
        done.write(f"{len(kept)} of {len(sectors)} unflushed sectors kept\n")
