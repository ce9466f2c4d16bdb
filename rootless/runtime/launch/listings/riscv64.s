# The stub for riscv64; stub.py says what it does, and has it assembled:
# tests/runtime/test_stub.py does it anew and compares.
        .option norvc
        .option norelax
channel: .long  0
child:  .long   0
signals: .quad  0
name:   .ascii  "init\0\0\0\0"
start:  auipc   s0, 0
        addi    s0, s0, -24             # channel
        lw      a0, 0(s0)
        li      a1, 2                   # F_SETFD
        li      a2, 1                   # FD_CLOEXEC
        li      a7, 25                  # fcntl
        ecall
        bnez    a0, lost
        ld      a0, 8(sp)
        addi    a1, sp, 16
        ld      a2, 0(sp)
        slli    a2, a2, 3
        add     a2, a1, a2
        li      a7, 221                 # execve
        ecall
        neg     a0, a0
        sw      a0, 0(sp)
        lw      a0, 0(s0)
        mv      a1, sp
        li      a2, 4
        li      a7, 64                  # write
        ecall
lost:   li      a0, 127
leave:  li      a7, 94                  # exit_group
        ecall
        unimp
init:   auipc   s0, 0
        addi    s0, s0, -128            # channel
        li      a0, 15                  # PR_SET_NAME
        addi    a1, s0, 16              # name
        li      a7, 167                 # prctl
        ecall
reap:   li      a0, -1
        mv      a1, sp
        li      a2, 1                   # WNOHANG
        li      a3, 0
        li      a7, 260                 # wait4
        ecall
        beqz    a0, wait
        mv      t1, a0
        li      a0, 0
        bltz    t1, leave
        lw      t0, 4(s0)               # child
        bne     t1, t0, reap
        lbu     a0, 1(sp)               # the exit code
        lw      t0, 0(sp)
        andi    t0, t0, 127             # the signal
        beqz    t0, leave
        addi    a0, t0, 128
        j       leave
wait:   addi    a0, s0, 8               # signals
        li      a1, 0
        li      a2, 0
        li      a3, 8
        li      a7, 137                 # rt_sigtimedwait
        ecall
        li      t0, 17                  # SIGCHLD
        beq     a0, t0, reap
        li      t0, -4                  # EINTR
        beq     a0, t0, wait
        mv      a1, a0
        li      a0, 1
        bltz    a1, leave
        lw      a0, 4(s0)
        li      a7, 129                 # kill
        ecall
        j       wait
