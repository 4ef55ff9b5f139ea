/* The page, compiled in. */
    .section .rodata
#define ASSET(name, file)                                                                                              \
    .global name;                                                                                                      \
    .type name, @object;                                                                                               \
    name: .incbin file;                                                                                                \
    .global name##_end;                                                                                                \
    name##_end: .byte 0;                                                                                               \
    .size name, name##_end - name

ASSET(page_index_html, "index.html")
ASSET(page_style_css, "style.css")
ASSET(page_script_js, "script.js")

    .section .note.GNU-stack, "", %progbits
