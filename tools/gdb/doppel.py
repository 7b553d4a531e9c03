"""gdb support for Doppel: symbols of the program and its libraries, and commands to look at the kernel.

Loaded by `doppel run --gdb`, or by hand: source tools/gdb/doppel.py. Works the same on linuxu (gdb runs the runner) and on
kvm (gdb talks to QEMU), because it only reads the kernel's own structures.

Whenever the program stops, and whenever the kernel has mapped an executable file, the files of the current address space
are looked up below the guest's root on this host (DOPPEL_ROOT) and their symbols added at the address where they are.
"""
import os
import struct

import gdb

ROOT = os.environ.get("DOPPEL_ROOT", "/")
loaded = {}


def global_value(name):
    try:
        return gdb.parse_and_eval(name)
    except gdb.error:
        return None


def current_thread():
    cpu = global_value("cpu_all[0]")
    if cpu is None or int(cpu) == 0:
        return None
    thread = cpu["current"]
    return thread if int(thread) else None


def vmas():
    """The current process's VMAs, ascending."""
    thread = current_thread()
    if thread is None or int(thread["proc"]) == 0 or int(thread["proc"]["space"]) == 0:
        return
    vma = gdb.lookup_type("struct vma")
    offset = next(f.bitpos // 8 for f in vma.fields() if f.name == "node")

    def walk(node):
        if int(node) == 0:
            return
        yield from walk(node["left"])
        yield gdb.Value(int(node) - offset).cast(vma.pointer())
        yield from walk(node["right"])

    yield from walk(thread["proc"]["space"]["vmas"]["node"])


def guest_path(file):
    """Path of a struct file's dentry within its mount; None for nameless objects."""
    dentry, names = file["path"]["dentry"], []
    if int(dentry) == 0:
        return None
    while int(dentry["parent"]) and int(dentry["parent"]) != int(dentry):
        names.append(dentry["name"].string())
        dentry = dentry["parent"]
    return "/" + "/".join(reversed(names))


def elf_bias(path, start, offset):
    """What to add to the file's addresses, given that file offset `offset` is mapped at `start`."""
    with open(path, "rb") as f:
        head = f.read(64)
        if head[:5] != b"\x7fELF\x02":
            return None
        phoff, = struct.unpack_from("<Q", head, 32)
        entsize, count = struct.unpack_from("<HH", head, 54)
        f.seek(phoff)
        table = f.read(entsize * count)
    for i in range(count):
        kind, _, seg_offset, vaddr = struct.unpack_from("<IIQQ", table, i * entsize)
        if kind == 1 and seg_offset & ~0xFFF == offset:
            return start - (vaddr & ~0xFFF)
    return None


def sync_symbols():
    for vma in vmas():
        if not int(vma["prot"]) & 4 or int(vma["file"]) == 0:
            continue
        path = guest_path(vma["file"])
        if path is None:
            continue
        host = os.path.realpath(os.path.join(ROOT, path.lstrip("/")))
        start = int(vma["start"])
        if loaded.get(host) == start or not os.path.isfile(host):
            continue
        bias = elf_bias(host, start, int(vma["pgoff"]) << 12)
        if bias is None:
            continue
        loaded[host] = start
        gdb.execute("add-symbol-file %s -o %#x" % (host.replace(" ", "\\ "), bias), False, True)


class MappedBreakpoint(gdb.Breakpoint):
    """The kernel mapped an executable file: take its symbols (so that pending breakpoints resolve), go on."""

    def __init__(self):
        super().__init__("debug_file_mapped", internal=True)
        self.silent = True

    def stop(self):
        try:
            sync_symbols()
        except gdb.error as e:
            print("doppel: symbols not loaded: %s" % e)
        return False


def on_stop(event):
    try:
        sync_symbols()
    except gdb.error:
        pass  # too early, or memory is not readable here


class DoppelCommand(gdb.Command):
    """Commands for the Doppel kernel: doppel threads, doppel maps, doppel symbols."""

    def __init__(self):
        super().__init__("doppel", gdb.COMMAND_STATUS, prefix=True)


class ThreadsCommand(gdb.Command):
    """doppel threads: every thread, its process and its state."""

    def __init__(self):
        super().__init__("doppel threads", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        head = gdb.parse_and_eval("&proc_all")
        proc_type, thread_type = gdb.lookup_type("struct proc"), gdb.lookup_type("struct thread")

        def entries(head, kind, member):
            offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
            node = head["next"]
            while int(node) != int(head):
                yield gdb.Value(int(node) - offset).cast(kind.pointer())
                node = node["next"]

        here = current_thread()
        for proc in entries(head, proc_type, "all_link"):
            for thread in entries(proc["threads"].address, thread_type, "proc_link"):
                mark = "*" if int(thread) == int(here) else " "
                print("%s tid %d  pid %d  %-16s %s" % (mark, int(thread["tid"]), int(proc["pid"]),
                                                       thread["comm"].string(), thread["state"]))


class MapsCommand(gdb.Command):
    """doppel maps: the current process's memory map."""

    def __init__(self):
        super().__init__("doppel maps", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        for vma in vmas():
            prot = int(vma["prot"])
            flags = "".join(c if prot & bit else "-" for c, bit in (("r", 1), ("w", 2), ("x", 4)))
            name = ""
            if int(vma["name"]):
                name = vma["name"].string()
            elif int(vma["file"]):
                name = guest_path(vma["file"]) or ""
            print("%014x-%014x %s%s %s" % (int(vma["start"]), int(vma["end"]), flags,
                                           "s" if int(vma["flags"]) & 1 else "p", name))


class SymbolsCommand(gdb.Command):
    """doppel symbols: load the symbols of what is mapped now."""

    def __init__(self):
        super().__init__("doppel symbols", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        sync_symbols()
        for path, start in sorted(loaded.items(), key=lambda x: x[1]):
            print("%#014x %s" % (start, path))


DoppelCommand()
ThreadsCommand()
MapsCommand()
SymbolsCommand()
MappedBreakpoint()
gdb.events.stop.connect(on_stop)
# Page faults and syscalls arrive as host signals on linuxu: they are the machine's traps, not the program's.
for settings in ("handle SIGSEGV SIGBUS SIGSYS SIGALRM SIGIO nostop noprint pass", "set breakpoint pending on",
                 "set confirm off", "set pagination off"):
    gdb.execute(settings, False, True)
