"""The page at the root of the embedded suite: where a newcomer finds the three services."""

import json
from typing import Final

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from shared.problems import PROBLEM_MEDIA_TYPE, Problem

PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quietline 静线</title>
<style>
  :root { color-scheme: light dark; font: 1.05rem/1.6 system-ui, "Noto Sans CJK SC", sans-serif; }
  body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
  h1 { margin-bottom: 0; }
  .zh { opacity: .75; }
  li { margin: .8rem 0; }
</style>
<h1>Quietline <span lang="zh">静线</span></h1>
<p>Stops harassment text messages on the phone. The text never leaves the phone unless its owner reports it.<br>
<span class="zh" lang="zh">在手机上拦住骚扰短信；除非本人举报，短信内容不离开手机。</span></p>
<ul>
<li><a href="ingestion/docs/">ingestion</a> takes reports, masks them, and freezes snapshots.<br>
<span class="zh" lang="zh">接收举报，遮盖隐私，冻结数据快照。</span></li>
<li><a href="training/docs/">training</a> turns a snapshot into a classifier and judges it.<br>
<span class="zh" lang="zh">用快照训练分类器，并在留出的短信上检验。</span></li>
<li><a href="registry/docs/">registry</a> signs releases and publishes them.<br>
<span class="zh" lang="zh">签名并发布模型版本。</span></li>
<li><a href="tuf/metadata/1.root.json">tuf</a> is what phones download: signed metadata and releases.<br>
<span class="zh" lang="zh">手机下载的内容：签名的元数据与模型。</span></li>
</ul>
"""


def create_welcome_app() -> Flask:
    """Makes the app at the root; everything else is mounted beside it."""
    app = Flask(__name__, static_folder=None)

    @app.get("/")
    def welcome() -> Response:
        return Response(PAGE, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        problem = Problem(error.name.lower().replace(" ", "-"), error.name, error.code or 500)
        return Response(json.dumps(problem.document()), problem.status, mimetype=PROBLEM_MEDIA_TYPE)

    return app
