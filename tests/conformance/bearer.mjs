// Preloaded into the conformance suite, which has no option for it: every request carries the token in NEXUS_TOKEN.
import http from "node:http";
import { createRequire } from "node:module";

const authorization = `Bearer ${process.env.NEXUS_TOKEN}`;
const { getGlobalDispatcher, setGlobalDispatcher } = createRequire(process.argv[1])("undici");

// fetch, and requests of undici itself: both go through the dispatcher, with headers as an object, pairs, or a flat list.
const listed = (headers) => {
  if (Array.isArray(headers)) return headers;
  const pairs = typeof headers?.[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers ?? {});
  return pairs.flat();
};
setGlobalDispatcher(
  getGlobalDispatcher().compose((dispatch) => (options, handler) =>
    dispatch({ ...options, headers: [...listed(options.headers), "authorization", authorization] }, handler),
  ),
);

// One scenario writes its headers by hand with node:http, always as request(options, callback).
const request = http.request;
http.request = (options, ...rest) =>
  request({ ...options, headers: { ...options.headers, Authorization: authorization } }, ...rest);
