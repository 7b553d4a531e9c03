/* System V shared memory: shmget, shmat, shmdt, shmctl. */
#include "t.h"
#include <sys/ipc.h>
#include <sys/shm.h>

#define KEY 0x4d709e12
#define AT ((char *)0x20000000)
#define MODE(d) ((d).shm_perm.mode & 07777)

static void show(int id)
{
	struct shmid_ds d;

	if (shmctl(id, IPC_STAT, &d)) {
		printf("stat: %s\n", strerrorname_np(errno));
		return;
	}
	printf("mode %o size %zu attached %zu by me %d %d times %d%d%d key %x\n", MODE(d), d.shm_segsz, (size_t)d.shm_nattch,
	       d.shm_cpid == getpid(), d.shm_lpid == getpid(), d.shm_atime != 0, d.shm_dtime != 0, d.shm_ctime != 0,
	       d.shm_perm.__key);
}

static void keys(void)
{
	int id, other;

	SHOW(shmget(KEY, 100, 0600));
	SHOW(shmget(KEY, 0, IPC_CREAT | 0600));
	SHOW(shmget(KEY, ~0ul, IPC_CREAT | 0600));
	id = shmget(KEY, 10000, IPC_CREAT | 0640);
	FACT(id >= 0);
	show(id);
	FACT(shmget(KEY, 0, 0) == id);
	FACT(shmget(KEY, 10000, IPC_CREAT | 0600) == id);
	SHOW(shmget(KEY, 10001, 0));
	SHOW(shmget(KEY, 1, IPC_CREAT | IPC_EXCL));
	other = shmget(IPC_PRIVATE, 1, 0600);
	FACT(other >= 0 && other != id);
	SHOW(shmctl(other, IPC_RMID, NULL));
	SHOW(shmctl(other, IPC_RMID, NULL));
	SHOW(shmctl(other, IPC_STAT, NULL));
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmget(KEY, 0, 0));
	SHOW(shmget(KEY, 1 << 21, IPC_CREAT | SHM_HUGETLB | 0600));
	SHOW(shmctl(-1, IPC_STAT, NULL));
	SHOW(shmctl(0, -1, NULL));
}

static void attaching(void)
{
	int id = shmget(KEY, 10000, IPC_CREAT | 0600);
	char *p = shmat(id, NULL, 0), *q;
	struct shmid_ds d;

	FACT(p != (void *)-1 && ((uintptr_t)p & 4095) == 0);
	FACT(p[0] == 0 && p[9999] == 0 && p[12287] == 0);
	show(id);
	strcpy(p + 4000, "shared");
	q = shmat(id, AT, SHM_RDONLY);
	FACT(q == AT && !strcmp(q + 4000, "shared"));
	show(id);
	SHOW(mprotect(q, 4096, PROT_READ | PROT_WRITE));
	SHOW(mprotect(p, 4096, PROT_READ));
	SHOW(shmat(id, AT + 4096, 0));
	SHOW(shmat(id, AT + 1, 0));
	FACT(shmat(id, AT + 0x10000 + 77, SHM_RND) == AT + 0x10000);
	SHOW(shmat(id, NULL, SHM_REMAP));
	FACT(shmat(id, AT, SHM_REMAP) == AT);
	strcpy(AT, "again");
	FACT(!strcmp(AT + 0x10000, "again"));
	SHOW(shmat(id + 12345, NULL, 0));
	SHOW(shmdt(AT + 4096));
	SHOW(shmdt(AT + 1));
	SHOW(shmdt(NULL));
	SHOW(munmap(AT + 4096, 4096)); /* shmdt finds the rest */
	show(id);
	SHOW(shmdt(AT));
	SHOW(access("/proc/self/maps", R_OK));
	SHOW(mincore(AT, 4096, (unsigned char[4]){ 0 }));
	SHOW(mincore(AT + 8192, 4096, (unsigned char[4]){ 0 }));
	show(id);
	SHOW(shmdt(AT + 0x10000));
	/* Removed, it stays for as long as it is attached, also to be attached again. */
	SHOW(shmctl(id, IPC_RMID, NULL));
	show(id);
	SHOW(shmget(KEY, 0, 0));
	FACT(shmat(id, AT, 0) == AT && !strcmp(AT, "again"));
	SHOW(shmdt(AT));
	SHOW(shmdt(p));
	show(id);
	SHOW(shmat(id, NULL, 0));
	SHOW(shmctl(id, IPC_STAT, &d));
}

static void control(void)
{
	int id = shmget(IPC_PRIVATE, 5000, 0600);
	struct shmid_ds d;
	struct shminfo i;
	struct shm_info u;

	SHOW(shmctl(id, IPC_STAT, &d));
	d.shm_perm.mode = 0444;
	SHOW(shmctl(id, IPC_SET, &d));
	SHOW(shmctl(id, IPC_SET, BAD_PTR));
	SHOW(shmctl(id, IPC_STAT, BAD_PTR));
	show(id);
	SHOW(shmctl(id, SHM_LOCK, NULL));
	show(id);
	SHOW(shmctl(id, SHM_UNLOCK, NULL));
	SHOW(shmctl(id, 77, NULL));
	FACT(shmctl(0, IPC_INFO, (void *)&i) >= 0 && i.shmmin == 1 && i.shmmni == 4096);
	FACT(shmctl(0, SHM_INFO, (void *)&u) >= 0 && u.used_ids >= 1 && u.shm_tot >= 2);
	/* Somebody else's. */
	SHOW(setresuid(1000, 1000, 0));
	WORKS(shmat(id, NULL, SHM_RDONLY));
	SHOW(shmat(id, NULL, 0));
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmctl(id, IPC_SET, &d));
	show(id);
	SHOW(setresuid(0, 0, 0));
	SHOW(shmctl(id, IPC_RMID, NULL));
}

int main(void)
{
	int id, i;

	keys();
	attaching();
	id = shmget(IPC_PRIVATE, 4096, 0);
	SHOW(shmctl(id, IPC_RMID, NULL));
	id = shmget(IPC_PRIVATE, 1, 0600);
	for (i = 0; i < 3; i++)
		shmat(id, NULL, 0);
	SHOW(shmctl(id, IPC_RMID, NULL));
	show(id);
	control();
	return 0;
}
