# The stub for x86_64; stub.py says what it does, and has it assembled:
# tests/runtime/test_stub.py does it anew and compares.
        .intel_syntax noprefix
channel: .long  0
child:  .long   0
signals: .quad  0
name:   .ascii  "init\0\0\0\0"
start:  mov     edi, [rip + channel]
        mov     esi, 2                  # F_SETFD
        mov     edx, 1                  # FD_CLOEXEC
        mov     eax, 72                 # fcntl
        syscall
        test    eax, eax
        jnz     lost
        mov     rdi, [rsp + 8]
        lea     rsi, [rsp + 16]
        mov     rdx, [rsp]
        lea     rdx, [rsi + rdx * 8]
        mov     eax, 59                 # execve
        syscall
        neg     eax
        mov     [rsp], eax
        mov     edi, [rip + channel]
        mov     rsi, rsp
        mov     edx, 4
        mov     eax, 1                  # write
        syscall
lost:   mov     edi, 127
leave:  mov     eax, 231                # exit_group
        syscall
        hlt
init:   mov     edi, 15                 # PR_SET_NAME
        lea     rsi, [rip + name]
        mov     eax, 157                # prctl
        syscall
reap:   mov     rdi, -1
        mov     rsi, rsp
        mov     edx, 1                  # WNOHANG
        xor     r10d, r10d
        mov     eax, 61                 # wait4
        syscall
        test    eax, eax
        jz      wait
        mov     edi, 0
        js      leave
        cmp     eax, [rip + child]
        jne     reap
        movzx   edi, byte ptr [rsp + 1] # the exit code
        mov     eax, [rsp]
        and     eax, 127                # the signal
        jz      leave
        lea     edi, [rax + 128]
        jmp     leave
wait:   lea     rdi, [rip + signals]
        xor     esi, esi
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 128                # rt_sigtimedwait
        syscall
        cmp     eax, 17                 # SIGCHLD
        je      reap
        cmp     eax, -4                 # EINTR
        je      wait
        mov     edi, 1
        test    eax, eax
        js      leave
        mov     esi, eax
        mov     edi, [rip + child]
        mov     eax, 62                 # kill
        syscall
        jmp     wait
