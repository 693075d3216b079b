/** A value that components follow. */
import { useEffect, useState } from "preact/hooks";

/**
 * @template T
 * @typedef {{ get: () => T, set: (news: Partial<T>) => void, follow: (heard: (value: T) => void) => () => void }} Store
 */

/**
 * @template {object} T
 * @param {T} value
 * @returns {Store<T>}
 */
export function createStore(value) {
  /** @type {Set<(value: T) => void>} */
  const followers = new Set();
  return {
    get: () => value,
    set(news) {
      value = { ...value, ...news };
      for (const heard of [...followers]) heard(value);
    },
    follow(heard) {
      followers.add(heard);
      return () => followers.delete(heard);
    },
  };
}

/**
 * The store's value, in a component.
 * @template T
 * @param {Store<T>} store
 * @returns {T}
 */
export function useStore(store) {
  const [value, setValue] = useState(store.get());
  useEffect(() => {
    setValue(store.get()); // it may have changed between rendering and now
    return store.follow((next) => setValue(next));
  }, [store]);
  return value;
}
