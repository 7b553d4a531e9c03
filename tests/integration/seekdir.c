/* telldir, seekdir, rewinddir: positions stay good while the directory changes. */
#include "t.h"
#include <dirent.h>
int main(void)
{
	char name[32], seen[64] = "";
	int n = 0;

	t_tmpdir();
	for (int i = 0; i < 40; i++) {
		sprintf(name, "f%02d", i);
		t_write(name, "");
	}
	DIR *d = opendir(".");
	for (int i = 0; i < 20; i++)
		readdir(d);
	long pos = telldir(d);
	struct dirent *e = readdir(d);
	strcpy(seen, e->d_name);
	while (readdir(d))
		n++;
	SHOW(n);
	seekdir(d, pos);
	e = readdir(d);
	FACT(!strcmp(e->d_name, seen));
	rewinddir(d);
	for (n = 0; readdir(d); n++)
		;
	SHOW(n);
	unlink("f00"), t_write("new", "");
	rewinddir(d);
	for (n = 0; (e = readdir(d)); n++)
		if (!strcmp(e->d_name, "f00"))
			puts("removed name seen");
	SHOW(n);
	closedir(d);
	for (int i = 0; i < 40; i++) {
		sprintf(name, "f%02d", i);
		unlink(name);
	}
	unlink("new");
	t_done();
	return 0;
}
