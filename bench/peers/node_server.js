/* node's http module: /json is an object of 8 fields through JSON.stringify, /list 100 rows of SQLite.
 *
 *     node node_server.js PORT [DATABASE [better-sqlite3 | node:sqlite]]
 *
 * Values go out as JavaScript has them: dates as the number that is stored, truth as 0 or 1. */
'use strict';
const http = require('http');

const [port, path, library] = process.argv.slice(2);

function openStatement() {
    const Database = library === 'node:sqlite' ? require('node:sqlite').DatabaseSync : require('better-sqlite3');
    const sql = 'SELECT id, name, summary, vendor, weight, active, created, stock FROM items ORDER BY id LIMIT 100';
    return new Database(path).prepare(sql);
}

const statement = path ? openStatement() : null;

function one() {
    return {
        id: 4711, name: 'item number 4711', summary: 'a text of some forty to fifty bytes, about 4711', vendor: 'vendor 55',
        weight: 1177.75, active: true, created: '2023-11-14T22:13:20.004711Z', stock: 4711,
    };
}

http.createServer((request, response) => {
    const body = JSON.stringify(request.url === '/list' ? statement.all() : one());
    response.writeHead(200, {'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body)});
    response.end(body);
}).listen(Number(port), '127.0.0.1', 511);
