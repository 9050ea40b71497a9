// Preloaded into the Inspector: of its web server it leaves out the bundler of its developers, whose native part is not installed.
import { registerHooks } from "node:module";

const nothing = "data:text/javascript,export const createServer = undefined; export default undefined";
registerHooks({
  resolve: (name, context, next) =>
    ["vite", "@vitejs/plugin-react"].includes(name) ? { url: nothing, shortCircuit: true } : next(name, context),
});
