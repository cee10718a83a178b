/**
 * `node:http`, by another way than `import`: that reads each export once, and some of these load a whole client with WebSockets
 * (undici) that nothing here uses, some twenty milliseconds of a server's start.
 */
export const { createServer, request, STATUS_CODES } = process.getBuiltinModule('node:http')
