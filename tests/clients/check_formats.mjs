// Reads [n8n workflow, folders of n8n's schemas, LibreChat's mcpServers] as JSON and prints what their own checks find.
import { readFileSync } from "node:fs";
import { setSchemaBaseDirs, validateWorkflow } from "@n8n/workflow-sdk";
import { MCPServersSchema } from "librechat-data-provider";

const [workflow, folders, servers] = JSON.parse(readFileSync(0, "utf8"));
setSchemaBaseDirs(folders);
const { errors, warnings } = validateWorkflow(workflow, { validateSchema: true });
const { success, error } = MCPServersSchema.safeParse(servers);
const n8n = [...errors, ...warnings].map(({ nodeName, message }) => `${nodeName ?? ""}: ${message}`);
console.log(JSON.stringify({ n8n, librechat: success ? "" : error.message }));
