"""Nurse-call panels on one line, by pymodbus: python3 panel.py PORT SLAVE...

Reads words from its input and answers each with one line:
  input SLAVE ADDRESS 0|1   a call lamp on the panel, as the resident sees it
  lamp SLAVE ADDRESS 0|1    the reassurance lamp, by whoever else may switch it
  coil SLAVE ADDRESS        how the reassurance lamp stands
  off SLAVE / on SLAVE      the panel's power
"""

import asyncio
import sys

from pymodbus.datastore import (
    ModbusSequentialDataBlock,
    ModbusServerContext,
    ModbusSlaveContext,
)
from pymodbus.exceptions import NoSuchSlaveException
from pymodbus.server import StartAsyncSerialServer
from pymodbus.transaction import ModbusRtuFramer

INPUTS, COILS = 2, 1


class Line(ModbusServerContext):
    """All panels of a line; one without power answers nothing."""

    dark = set()

    def __getitem__(self, slave):
        if slave in self.dark:
            raise NoSuchSlaveException(f"panel {slave} is off")
        return super().__getitem__(slave)


def panel():
    block = lambda: ModbusSequentialDataBlock(0, [0] * 64)
    return ModbusSlaveContext(di=block(), co=block(), hr=block(), ir=block(), zero_mode=True)


async def main(port, slaves):
    panels = {slave: panel() for slave in slaves}
    context = Line(slaves=dict(panels), single=False)
    server = await StartAsyncSerialServer(
        context=context,
        framer=ModbusRtuFramer,
        port=port,
        baudrate=9600,
        timeout=0.005,
        ignore_missing_slaves=True,
        defer_start=True,
    )
    await server.start()
    asyncio.ensure_future(server.serve_forever())
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while True:
        words = (await loop.run_in_executor(None, sys.stdin.readline)).split()
        if not words:
            return
        what, slave, rest = words[0], int(words[1]), [int(word) for word in words[2:]]
        if what == "input":
            panels[slave].setValues(INPUTS, rest[0], [bool(rest[1])])
            print("done", flush=True)
        elif what == "lamp":
            panels[slave].setValues(COILS, rest[0], [bool(rest[1])])
            print("done", flush=True)
        elif what == "coil":
            print(int(panels[slave].getValues(COILS, rest[0], 1)[0]), flush=True)
        elif what == "off":
            context.dark.add(slave)
            print("done", flush=True)
        elif what == "on":
            context.dark.discard(slave)
            print("done", flush=True)


asyncio.run(main(sys.argv[1], [int(word) for word in sys.argv[2:]]))
