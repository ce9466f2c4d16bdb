# The stub for s390x; stub.py says what it does, and has it assembled:
# tests/runtime/test_stub.py does it anew and compares.
channel: .long  0
child:  .long   0
signals: .quad  0
name:   .ascii  "init\0\0\0\0"
start:  larl    %r12, channel
        lgf     %r2, 0(%r12)
        lghi    %r3, 2                  # F_SETFD
        lghi    %r4, 1                  # FD_CLOEXEC
        lghi    %r1, 55                 # fcntl
        svc     0
        ltgr    %r2, %r2
        jne     lost
        lg      %r2, 8(%r15)
        la      %r3, 16(%r15)
        lg      %r4, 0(%r15)
        sllg    %r4, %r4, 3
        la      %r4, 0(%r4, %r3)
        lghi    %r1, 11                 # execve
        svc     0
        lcr     %r2, %r2
        st      %r2, 0(%r15)
        lgf     %r2, 0(%r12)
        lgr     %r3, %r15
        lghi    %r4, 4
        lghi    %r1, 4                  # write
        svc     0
lost:   lghi    %r2, 127
leave:  lghi    %r1, 248                # exit_group
        svc     0
        .long   0
init:   larl    %r12, channel
        lghi    %r2, 15                 # PR_SET_NAME
        la      %r3, name - channel(%r12)
        lghi    %r1, 172                # prctl
        svc     0
reap:   lghi    %r2, -1
        lgr     %r3, %r15
        lghi    %r4, 1                  # WNOHANG
        lghi    %r5, 0
        lghi    %r1, 114                # wait4
        svc     0
        ltgr    %r6, %r2
        je      wait
        lghi    %r2, 0
        jl      leave
        c       %r6, 4(%r12)            # child
        jne     reap
        llgc    %r2, 2(%r15)            # the exit code
        lghi    %r0, 127
        n       %r0, 0(%r15)            # the signal
        je      leave
        lgfr    %r2, %r0
        aghi    %r2, 128
        j       leave
wait:   la      %r2, signals - channel(%r12)
        lghi    %r3, 0
        lghi    %r4, 0
        lghi    %r5, 8
        lghi    %r1, 177                # rt_sigtimedwait
        svc     0
        cghi    %r2, 17                 # SIGCHLD
        je      reap
        cghi    %r2, -4                 # EINTR
        je      wait
        lgr     %r3, %r2
        lghi    %r2, 1
        ltgr    %r3, %r3
        jl      leave
        lgf     %r2, 4(%r12)
        lghi    %r1, 37                 # kill
        svc     0
        j       wait
