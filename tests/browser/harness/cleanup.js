// What must go when a test ends, goes, also when something before it fails.

const stacks = new WeakMap();

/** Calls `work` when the test has ended, the latest first; the first failure is the test's, and prevents no other call. */
export function cleanup(t, work) {
  const stack = stacks.get(t) ?? [];
  if (stack.push(work) > 1) return;
  stacks.set(t, stack);
  t.after(async () => {
    const failures = [];
    for (const work of stack.splice(0).reverse()) await Promise.resolve().then(work).catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  });
}
