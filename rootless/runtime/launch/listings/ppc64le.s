# The stub for ppc64le; stub.py says what it does, and has it assembled:
# tests/runtime/test_stub.py does it anew and compares.
channel: .long  0
child:  .long   0
signals: .quad  0
name:   .ascii  "init\0\0\0\0"
start:  bcl     20, 31, 1f
1:      mflr    31
        addi    31, 31, channel - 1b
        lwz     3, 0(31)
        li      4, 2                    # F_SETFD
        li      5, 1                    # FD_CLOEXEC
        li      0, 55                   # fcntl
        sc
        bso     lost
        ld      3, 8(1)
        addi    4, 1, 16
        ld      5, 0(1)
        sldi    5, 5, 3
        add     5, 4, 5
        li      0, 11                   # execve
        sc
        stw     3, 0(1)
        lwz     3, 0(31)
        mr      4, 1
        li      5, 4
        li      0, 4                    # write
        sc
lost:   li      3, 127
leave:  li      0, 234                  # exit_group
        sc
        trap
init:   bcl     20, 31, 2f
2:      mflr    31
        addi    31, 31, channel - 2b
        li      3, 15                   # PR_SET_NAME
        addi    4, 31, name - channel
        li      0, 171                  # prctl
        sc
reap:   li      3, -1
        mr      4, 1
        li      5, 1                    # WNOHANG
        li      6, 0
        li      0, 114                  # wait4
        sc
        mr      7, 3
        li      3, 0
        bso     leave
        cmpwi   7, 0
        beq     wait
        lwz     4, 4(31)                # child
        cmpw    7, 4
        bne     reap
        lwz     4, 0(1)
        rlwinm  3, 4, 24, 24, 31        # the exit code
        andi.   4, 4, 127               # the signal
        beq     leave
        addi    3, 4, 128
        b       leave
wait:   addi    3, 31, signals - channel
        li      4, 0
        li      5, 0
        li      6, 8
        li      0, 176                  # rt_sigtimedwait
        sc
        mr      4, 3
        bso     stop
        cmpwi   4, 17                   # SIGCHLD
        beq     reap
        lwz     3, 4(31)
        li      0, 37                   # kill
        sc
        b       wait
stop:   cmpwi   4, 4                    # EINTR
        beq     wait
        li      3, 1
        b       leave
