/*
 * page_files.h - the page's style and script, made of page.css and page.js by embed_page.py.
 */
#pragma once

extern const char page_css[], page_js[];
