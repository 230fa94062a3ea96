"""Of encrypted.py: verification by emoji with clients on bare libolm that know older methods."""
import time

import olm

from encrypted_world import World, check

ID = "T1"


class Verifier:
    """The operator's side of m.sas.v1, by to-device events."""

    def __init__(self, w, macs, agreements=("curve25519-hkdf-sha256",)):
        self.w, self.sas = w, olm.Sas()
        self.macs, self.agreements = list(macs), list(agreements)

    def tell(self, kind, **content):
        op = self.w.op
        self.w.server.tell(to_device=[{"type": f"m.key.verification.{kind}", "sender": op.user,
                                       "content": {"transaction_id": ID, **content}}])

    def heard(self, kind):
        """What the bot told the operator's device."""
        op, found = self.w.op, []

        def look():
            found[:] = [messages[op.user][op.device] for name, messages in list(self.w.server.to_device)
                        if name == f"m.key.verification.{kind}" and op.device in messages.get(op.user, {})]
            return found
        self.w.server.wait(look)
        return found[-1]

    def host(self, action):
        end = time.monotonic() + 30
        while True:
            answer = self.w.bot.call({"op": "verify", "action": action, "user_id": self.w.op.user, "id": ID})
            if answer["ok"]:
                return
            check(time.monotonic() < end, str(answer))
            time.sleep(0.1)  # there is no event for it on the socket

    def start(self):
        op = self.w.op
        self.tell("request", from_device=op.device, methods=["m.sas.v1"], timestamp=int(time.time() * 1000))
        self.host("accept")
        self.heard("ready")
        self.tell("start", from_device=op.device, method="m.sas.v1", key_agreement_protocols=self.agreements,
                  hashes=["sha256"], message_authentication_codes=self.macs,
                  short_authentication_string=["decimal", "emoji"])

    def mac(self, of, to, key_id, text):
        return self.sas.calculate_mac(text, f"MATRIX_KEY_VERIFICATION_MAC{''.join(of)}{''.join(to)}{ID}{key_id}")


def test_a_client_that_knows_the_older_proof_alone_is_verified():
    w = World(encryption="trust = verified")
    w.in_touch()
    v = Verifier(w, ["hkdf-hmac-sha256"])
    v.start()
    check(v.heard("accept")["message_authentication_code"] == "hkdf-hmac-sha256", "another one was chosen")
    v.tell("key", key=v.sas.pubkey)
    v.sas.set_their_pubkey(v.heard("key")["key"])
    v.host("confirm")
    us, bot = (w.op.user, w.op.device), (w.server.USER, w.server.DEVICE)
    theirs = v.heard("mac")
    own_id = f"ed25519:{bot[1]}"
    own_key = w.server.devices[bot[0]][bot[1]]["keys"][own_id]
    check(theirs["mac"][own_id] == v.mac(bot, us, own_id, own_key), "the bot's proof is wrong")
    check(theirs["keys"] == v.mac(bot, us, "KEY_IDS", ",".join(sorted(theirs["mac"]))), "the list's proof is wrong")
    master = w.op.seeds["master"].public_key
    keys = {f"ed25519:{w.op.device}": w.op.ed, f"ed25519:{master}": master}
    v.tell("mac", mac={key_id: v.mac(us, bot, key_id, key) for key_id, key in keys.items()},
           keys=v.mac(us, bot, "KEY_IDS", ",".join(sorted(keys))))
    w.wait_status(lambda s: s["encryption"]["verified"] == [w.op.user], "not verified")
    w.end()


def test_what_a_client_lacks_for_a_verification_is_named():
    for options, lacks in ((dict(macs=["hmac-sha256"]), "message authentication code hkdf-hmac-sha256.v2"),
                           (dict(macs=["hkdf-hmac-sha256.v2"], agreements=["curve25519"]),
                            "key agreement curve25519-hkdf-sha256")):
        w = World()
        w.in_touch()
        v = Verifier(w, **options)
        v.start()
        found = v.heard("cancel")
        check(found["code"] == "m.unknown_method" and lacks in found["reason"], str(found))
        w.end()
