"""Senders that take turns, in another order each time, since the homeserver still works for the one before,
each in a room of its own with the same reader: send → readable, the CPU time of a message, private memory.
A sender can be several processes, whose figures are added."""
import random
import statistics
import time

import measure
from measure import ROUNDS, SHORT, Seen

COUNT = 20 if SHORT else 100
WARM = 5
IDLE_S = 25  # the bot gives memory back 10 s after the last write, and looks every 10 s for what is free


class Sender:
    def __init__(self, name, processes, room_id, user, send):
        self.name, self.processes, self.room_id, self.user, self.send = name, processes, room_id, user, send
        self.seen = None
        self.median, self.p95, self.cpu = [], [], []  # of each round

    def read_by(self, reader):
        self.seen = Seen(reader, self.room_id, self.user)

    def cpu_ms(self):
        return sum(map(measure.cpu_ms, self.processes))

    def private_mb(self):
        return sum(map(measure.private_mb, self.processes))

    def tell(self, name):
        """Without a limit beside it."""
        print(f"{name}: readable p50 {statistics.median(self.median):.2f} ms, p95 "
              f"{statistics.median(self.p95):.2f} ms, CPU {statistics.median(self.cpu):.2f} ms", flush=True)


def one_round(senders, number):
    times = {sender: [] for sender in senders}
    for i in range(WARM + COUNT):
        if i == WARM:
            before = {sender: sender.cpu_ms() for sender in senders}
        for sender in random.sample(senders, len(senders)):
            started = time.time()
            sender.send(1000 * (number + 1) + i)
            while sender.seen.next()[0]["type"] not in ("m.room.message", "m.room.encrypted"):
                pass
            when = sender.seen.reader.events[sender.seen.at - 1][2]
            if i >= WARM:
                times[sender].append((when - started) * 1000)
    time.sleep(0.5)  # what is done after the message is a part of its cost
    for sender in senders:
        sender.median.append(statistics.median(times[sender]))
        sender.p95.append(measure.p95(times[sender]))
        sender.cpu.append((sender.cpu_ms() - before[sender]) / COUNT)


def take_turns(senders):
    """send(i) is called with another number each time."""
    for number in range(ROUNDS):
        one_round(senders, number)
