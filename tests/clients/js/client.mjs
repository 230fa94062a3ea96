/*
 * client.mjs - a person's client as Element is built: matrix-js-sdk with its Rust crypto, driven by
 * lines of JSON. Requests {id, op, …} on standard input are answered {id, ok, …}; what happens is
 * told as {event, …}. Excludes devices that their owner has not signed, unless told otherwise.
 */
import readline from "node:readline";
import * as sdk from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger.js";
import { decodeRecoveryKey } from "matrix-js-sdk/lib/crypto-api/recovery-key.js";
import {
    AllDevicesIsolationMode,
    OnlySignedDevicesIsolationMode,
    VerificationRequestEvent,
    VerifierEvent,
    CryptoEvent,
} from "matrix-js-sdk/lib/crypto-api/index.js";

logger.setLevel?.("silent");
for (const name of ["log", "info", "warn", "error", "debug", "trace"]) console[name] = () => {};

const say = (object) => process.stdout.write(JSON.stringify(object) + "\n");
let client;
let joined = new Map(); // room id → functions waiting for it
let verification; // the verifier under way
let storageKey; // of secret storage

function tell(event) {
    const content = event.isRedacted() ? {} : event.getContent();
    say({
        event: "message",
        room_id: event.getRoomId(),
        event_id: event.getId(),
        sender: event.getSender(),
        type: event.getType(),
        wire_type: event.getWireType(),
        session_id: event.getWireContent().session_id,
        ciphertext: event.getWireContent().ciphertext,
        relates: event.getWireContent()["m.relates_to"] ?? null,
        content,
        failure: event.isDecryptionFailure() ? String(event.decryptionFailureReason) : null,
        when: Date.now(),
    });
}

async function start(request) {
    client = sdk.createClient({
        baseUrl: request.url,
        userId: request.user_id,
        accessToken: request.token,
        deviceId: request.device_id,
        cryptoCallbacks: {
            getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], storageKey],
            cacheSecretStorageKey: (_id, _info, key) => (storageKey = key),
        },
        verificationMethods: ["m.sas.v1"],
    });
    await client.initRustCrypto({ useIndexedDB: false });
    const crypto = client.getCrypto();
    crypto.setDeviceIsolationMode(
        request.all_devices ? new AllDevicesIsolationMode(false) : new OnlySignedDevicesIsolationMode(),
    );
    if (request.sign) {
        await crypto.bootstrapCrossSigning({
            authUploadDeviceSigningKeys: (make) =>
                make({
                    type: "m.login.password",
                    identifier: { type: "m.id.user", user: request.user_id },
                    password: request.password,
                }),
        });
    }
    client.on("Room.timeline", (event, room, toStart) => {
        if (toStart) return;
        if (event.isEncrypted() && (event.isBeingDecrypted() || event.getType() === "m.room.encrypted")) {
            return; // told when it is decrypted, or cannot be
        }
        tell(event);
    });
    client.on("Event.decrypted", (event) => tell(event));
    client.on("Room.myMembership", (room, membership) => {
        say({ event: "membership", room_id: room.roomId, membership });
        if (membership === "join") for (const go of joined.get(room.roomId) ?? []) go();
    });
    client.on(CryptoEvent.VerificationRequestReceived, (request) => onVerification(request));
    const synced = new Promise((resolve, reject) => {
        client.on("sync", (state, _before, data) => {
            if (state === "PREPARED") resolve();
            if (state === "ERROR") reject(data.error);
        });
    });
    await client.startClient({ initialSyncLimit: 100 });
    await synced;
    const status = await crypto.getUserVerificationStatus(request.user_id);
    return { cross_signed: status.isCrossSigningVerified() };
}

async function join(request) {
    const room = await new Promise((resolve, reject) => {
        const there = () => resolve(client.getRoom(request.room));
        if (client.getRoom(request.room)?.getMyMembership() === "join") return there();
        joined.set(request.room, [...(joined.get(request.room) ?? []), there]);
        client.joinRoom(request.room).catch(reject);
    });
    return { room_id: room?.roomId ?? request.room }; // told of the membership before the room is made
}

function onVerifier(verifier) {
    verification = { ...verification, verifier };
    verifier.on(VerifierEvent.ShowSas, (sas) => {
        verification.sas = sas;
        say({ event: "sas", emoji: sas.sas.emoji.map(([, name]) => name), decimal: sas.sas.decimal });
    });
    verifier
        .verify()
        .then(() => say({ event: "verified" }))
        .catch((error) => say({ event: "unverified", reason: String(error) }));
}

function onVerification(request) {
    verification = { request };
    request.on(VerificationRequestEvent.Change, () => {
        say({ event: "verification", phase: request.phase, code: request.cancellationCode });
        if (request.verifier && !verification.verifier) onVerifier(request.verifier);
    });
}

const ops = {
    start,
    join,
    async create(request) {
        const state = request.encryption
            ? [{ type: "m.room.encryption", state_key: "", content: request.encryption }]
            : [];
        const answer = await client.createRoom({
            room_alias_name: request.alias,
            preset: request.preset ?? "private_chat",
            invite: request.invite ?? [],
            initial_state: state,
        });
        await join({ room: answer.room_id });
        return answer;
    },
    async send(request) {
        return client.sendEvent(request.room, request.type ?? "m.room.message", request.content);
    },
    async redact(request) {
        return client.redactEvent(request.room, request.event_id);
    },
    async invite(request) {
        return client.invite(request.room, request.user);
    },
    async kick(request) {
        return client.kick(request.room, request.user);
    },
    async leave(request) {
        return client.leave(request.room);
    },
    /* Tells what a gap in the timeline left out. */
    async scrollback(request) {
        const room = client.getRoom(request.room);
        await client.scrollback(room, request.limit ?? 100);
        for (const event of room.getLiveTimeline().getEvents()) {
            await client.decryptEventIfNeeded(event);
            tell(event);
        }
        return {};
    },
    /* Puts the account's cross-signing keys into secret storage, under a new recovery key or, with
     * a passphrase, what is made of it. */
    async make_storage(request) {
        const crypto = client.getCrypto();
        const key = await crypto.createRecoveryKeyFromPassphrase(request.passphrase);
        storageKey = key.privateKey;
        await crypto.bootstrapSecretStorage({ createSecretStorageKey: async () => key, setupNewSecretStorage: true });
        return { recovery_key: key.encodedPrivateKey };
    },
    /* Takes the account's cross-signing keys out of secret storage and signs this device. */
    async recover(request) {
        storageKey = decodeRecoveryKey(request.recovery_key);
        await client.getCrypto().bootstrapCrossSigning({
            authUploadDeviceSigningKeys: () => {
                throw new Error("new keys were made");
            },
        });
        return {};
    },
    /* Verifies a user: by to-device messages to one device, or in a room shared with the user. */
    async verify(request) {
        const crypto = client.getCrypto();
        const made = request.room
            ? await crypto.requestVerificationDM(request.user, request.room)
            : await crypto.requestDeviceVerification(request.user, request.device);
        onVerification(made);
        return {};
    },
    async start_sas() {
        onVerifier(await verification.request.startVerification("m.sas.v1"));
        return {};
    },
    async confirm_sas(request) {
        if (request.mismatch) verification.sas.mismatch();
        else await verification.sas.confirm();
        return {};
    },
    async user_status(request) {
        const status = await client.getCrypto().getUserVerificationStatus(request.user);
        const device = await client.getCrypto().getDeviceVerificationStatus(request.user, request.device);
        return { verified: status.isCrossSigningVerified(), signed: device?.signedByOwner };
    },
    async stop() {
        client.stopClient();
        setTimeout(() => process.exit(0), 10);
        return {};
    },
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
    const request = JSON.parse(line);
    try {
        say({ id: request.id, ok: true, ...(await ops[request.op](request)) });
    } catch (error) {
        say({ id: request.id, ok: false, error: String(error?.stack ?? error) });
    }
});
process.stdin.on("end", () => process.exit(0));
