// The stub for aarch64; stub.py says what it does, and has it assembled:
// tests/runtime/test_stub.py does it anew and compares.
channel: .long  0
child:  .long   0
signals: .quad  0
name:   .ascii  "init\0\0\0\0"
start:  ldr     w0, channel
        mov     x1, #2                  // F_SETFD
        mov     x2, #1                  // FD_CLOEXEC
        mov     x8, #25                 // fcntl
        svc     #0
        cbnz    w0, lost
        ldr     x0, [sp, #8]
        add     x1, sp, #16
        ldr     x2, [sp]
        add     x2, x1, x2, lsl #3
        mov     x8, #221                // execve
        svc     #0
        neg     w0, w0
        str     w0, [sp]
        ldr     w0, channel
        mov     x1, sp
        mov     x2, #4
        mov     x8, #64                 // write
        svc     #0
lost:   mov     x0, #127
leave:  mov     x8, #94                 // exit_group
        svc     #0
        udf     #0
init:   mov     x0, #15                 // PR_SET_NAME
        adr     x1, name
        mov     x8, #167                // prctl
        svc     #0
reap:   mov     x0, #-1
        mov     x1, sp
        mov     x2, #1                  // WNOHANG
        mov     x3, #0
        mov     x8, #260                // wait4
        svc     #0
        cbz     w0, wait
        mov     w9, w0
        mov     x0, #0
        tbnz    w9, #31, leave
        ldr     w1, child
        cmp     w9, w1
        b.ne    reap
        ldr     w1, [sp]
        ubfx    w0, w1, #8, #8          // the exit code
        ands    w1, w1, #127            // the signal
        b.eq    leave
        add     w0, w1, #128
        b       leave
wait:   adr     x0, signals
        mov     x1, #0
        mov     x2, #0
        mov     x3, #8
        mov     x8, #137                // rt_sigtimedwait
        svc     #0
        cmp     w0, #17                 // SIGCHLD
        b.eq    reap
        cmn     w0, #4                  // EINTR
        b.eq    wait
        mov     w1, w0
        mov     x0, #1
        tbnz    w1, #31, leave
        ldr     w0, child
        mov     x8, #129                // kill
        svc     #0
        b       wait
