// What only the debugger can see of a page or a worker.

/** A global scope, seen through the protocol of the browser's developer tools. */
export class Scope {
  constructor(send) {
    this.send = send;
  }

  static async page(page) {
    const session = await page.context().newCDPSession(page);
    return new Scope((method, params) => session.send(method, params));
  }

  /** The dedicated workers of a page that run now. */
  static async workers(page) {
    const session = await page.context().newCDPSession(page);
    const found = [];
    session.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
      if (targetInfo.type === "worker") found.push(sessionId);
    });
    // Workers that are there already are told before the answer.
    await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    return found.map((sessionId) => new Scope(tunnel(session, sessionId)));
  }

  /** Bytes of all WebAssembly memories that are alive in this scope. */
  async wasmMemory() {
    const { result } = await this.send("Runtime.evaluate", { expression: "WebAssembly.Memory.prototype" });
    const { objects } = await this.send("Runtime.queryObjects", { prototypeObjectId: result.objectId });
    const sum = await this.send("Runtime.callFunctionOn", {
      objectId: objects.objectId,
      functionDeclaration: "function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }",
      returnByValue: true,
    });
    return sum.result.value;
  }
}

/** Messages to a target inside of a session, which the protocol wraps. */
function tunnel(session, sessionId) {
  let last = 0;
  const waiting = new Map();
  session.on("Target.receivedMessageFromTarget", (event) => {
    if (event.sessionId !== sessionId) return;
    const { id, result, error } = JSON.parse(event.message);
    const answer = waiting.get(id);
    waiting.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);
  });
  return (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method, params }) }).catch(reject);
    });
}
