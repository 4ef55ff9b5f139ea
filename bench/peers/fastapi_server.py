"""FastAPI with Python's sqlite3: 100 rows of the database that BENCH_DATABASE names. Run by uvicorn."""
import os
import sqlite3

from fastapi import FastAPI
from fastapi.responses import JSONResponse

COLUMNS = ('id', 'name', 'summary', 'vendor', 'weight', 'active', 'created', 'stock')
connection = sqlite3.connect(os.environ['BENCH_DATABASE'])
app = FastAPI()


@app.get('/list')
async def rows():
    cursor = connection.execute(f'SELECT {", ".join(COLUMNS)} FROM items ORDER BY id LIMIT 100')
    return JSONResponse([dict(zip(COLUMNS, row)) for row in cursor])
