"""!chart on a real Synapse, in a plain and in an encrypted room: a member downloads the picture, and in
the encrypted room decrypts it with matrix-nio. Run by commands.py."""
import struct
import urllib.request

from nio.crypto.attachments import decrypt_attachment
from people import check


def download(place, mxc):
    server, media = mxc.removeprefix("mxc://").split("/")
    request = urllib.request.Request(f"{place.world.server.url}/_matrix/client/v1/media/download/{server}/{media}",
                                     headers={"Authorization": f"Bearer {place.op.account['access_token']}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers.get_content_type(), answer.read()


def test_chart(world, secret):
    place = world.place(secret)
    alert = place.bot.call({"op": "alert", "app": "ch_app", "severity": "critical", "run_id": "ch-1", "title": "x"})
    place.bot.call({"op": "wait", "alert": alert["alert"]})
    place.ask("!ack ch-1", "acknowledged by you")
    event = place.say("!chart ch_app 7d")
    place.op.wait(lambda: place.answers(event), 60, f"no picture; log: {place.bot.log.read_text()[-1500:]}")
    content, relates = place.answers(event)[0]
    check(content["msgtype"] == "m.image" and relates["rel_type"] == "m.thread", str(content))
    check("ch_app · Alerts, last 7 days: 1 critical" in content["body"] and "Acknowledged: 1" in content["body"], str(content))
    check(("file" in content) == secret and ("url" in content) != secret, str(content))
    kind, data = download(place, content["file"]["url"] if secret else content["url"])
    if secret:
        file = content["file"]
        check(not data.startswith(b"\x89PNG"), "the homeserver can see it")
        data = decrypt_attachment(data, file["key"]["k"], file["hashes"]["sha256"], file["iv"])  # checks the hash
    else:
        check(kind == "image/png", kind)
    check(data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) == content["info"]["size"], "it is not the picture")
    check(struct.unpack(">II", data[16:24]) == (content["info"]["w"], content["info"]["h"]), "another size")


test_chart.both = True
