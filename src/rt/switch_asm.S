/* cv__switch and the first frame of a fiber; see switch.h. */

#if defined(__ELF__) && !defined(CV_SWITCH_UCONTEXT)

#if defined(__x86_64__) && !defined(__ILP32__)

    .macro save register
    pushq %\register
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \register, 0
    .endm

    .macro restore register
    popq %\register
    .cfi_adjust_cfa_offset -8
    .cfi_restore \register
    .endm

    .text
    .p2align 4
    .globl cv__switch
    .hidden cv__switch
    .type cv__switch, @function
cv__switch:
    .cfi_startproc
    save rbp
    save rbx
    save r12
    save r13
    save r14
    save r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    restore r15
    restore r14
    restore r13
    restore r12
    restore rbx
    restore rbp
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmpq *%rcx
    .cfi_endproc
    .size cv__switch, . - cv__switch

/* The outermost frame: no return address, so that backtraces end here. */
    .p2align 4
    .globl cv__switch_entry
    .hidden cv__switch_entry
    .type cv__switch_entry, @function
cv__switch_entry:
    .cfi_startproc
    .cfi_undefined rip
    movq %r13, %rdi
    callq *%r12
    ud2
    .cfi_endproc
    .size cv__switch_entry, . - cv__switch_entry

#elif defined(__aarch64__)

    .macro save_pair first, second, at
    stp \first, \second, [sp, #\at]
    .endm

    .macro restore_pair first, second, at
    ldp \first, \second, [sp, #\at]
    .endm

    .text
    .p2align 4
    .globl cv__switch
    .hidden cv__switch
    .type cv__switch, %function
cv__switch:
    .cfi_startproc
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    save_pair x19, x20, 0
    save_pair x21, x22, 16
    save_pair x23, x24, 32
    save_pair x25, x26, 48
    save_pair x27, x28, 64
    save_pair x29, x30, 80
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    save_pair d8, d9, 96
    save_pair d10, d11, 112
    save_pair d12, d13, 128
    save_pair d14, d15, 144
    mov x9, sp
    str x9, [x0]
    ldr x9, [x1]
    mov sp, x9
    restore_pair x19, x20, 0
    restore_pair x21, x22, 16
    restore_pair x23, x24, 32
    restore_pair x25, x26, 48
    restore_pair x27, x28, 64
    restore_pair x29, x30, 80
    .cfi_restore x29
    .cfi_restore x30
    restore_pair d8, d9, 96
    restore_pair d10, d11, 112
    restore_pair d12, d13, 128
    restore_pair d14, d15, 144
    add sp, sp, #160
    .cfi_adjust_cfa_offset -160
    mov x16, x30
    br x16
    .cfi_endproc
    .size cv__switch, . - cv__switch

    .p2align 4
    .globl cv__switch_entry
    .hidden cv__switch_entry
    .type cv__switch_entry, %function
cv__switch_entry:
    .cfi_startproc
    .cfi_undefined x30
    mov x0, x20
    blr x19
    brk #0
    .cfi_endproc
    .size cv__switch_entry, . - cv__switch_entry

#endif
#endif

#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
