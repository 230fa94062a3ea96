"""A client on matrix-nio (bare libolm), driven by the lines of JSON that client.mjs takes: start,
join, send; what it reads is told as {"event": "message", …}. It has no cross-signing."""
import asyncio
import json
import sys
import tempfile

from nio import AsyncClient, AsyncClientConfig, MegolmEvent, RoomMessage


def say(told):
    print(json.dumps(told), flush=True)


class Driver:
    def __init__(self):
        self.client = None
        self.sync = None

    def tell(self, room, event, failure=None):
        content = event.source.get("content", {})
        say({"event": "message", "room_id": room.room_id, "event_id": event.event_id, "sender": event.sender,
             "type": event.source.get("type"), "wire_type": "m.room.encrypted" if failure or event.decrypted else
             event.source.get("type"), "session_id": getattr(event, "session_id", None), "content": content,
             "relates": content.get("m.relates_to"), "failure": failure})

    async def start(self, request):
        config = AsyncClientConfig(store_sync_tokens=True, encryption_enabled=True)
        self.client = AsyncClient(request["url"], request["user_id"], request["device_id"],
                                  store_path=tempfile.mkdtemp(prefix="mtb-nio-"), config=config)
        self.client.restore_login(request["user_id"], request["device_id"], request["token"])
        self.client.add_event_callback(self.tell_message, RoomMessage)
        self.client.add_event_callback(self.tell_failure, MegolmEvent)
        await self.client.sync(timeout=0, full_state=True)
        if self.client.should_upload_keys:
            await self.client.keys_upload()
        self.sync = asyncio.create_task(self.client.sync_forever(timeout=10000))
        return {}

    async def tell_message(self, room, event):
        self.tell(room, event)

    async def tell_failure(self, room, event):
        self.tell(room, event, "no key")

    async def join(self, request):
        answer = await self.client.join(request["room"])
        while request["room"] not in self.client.rooms:
            await self.client.synced.wait()
        return {"room_id": answer.room_id}

    async def send(self, request):
        answer = await self.client.room_send(request["room"], request.get("type", "m.room.message"),
                                             request["content"], ignore_unverified_devices=True)
        return {"event_id": answer.event_id}

    async def run(self):
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            request = json.loads(line)
            try:
                say({"id": request["id"], "ok": True, **await getattr(self, request["op"])(request)})
            except Exception as error:
                say({"id": request["id"], "ok": False, "error": repr(error)})


asyncio.run(Driver().run())
