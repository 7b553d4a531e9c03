PRAGMA journal_mode=WAL;
DROP TABLE IF EXISTS planets;
CREATE TABLE planets(name TEXT, radius_km REAL, moons INT);
INSERT INTO planets VALUES('Mercury', 2439.7, 0), ('Venus', 6051.8, 0), ('Earth', 6371.0, 1), ('Mars', 3389.5, 2),
	('Jupiter', 69911, 95), ('Saturn', 58232, 146), ('Uranus', 25362, 28), ('Neptune', 24622, 16);
SELECT name, round(radius_km / (SELECT radius_km FROM planets WHERE name = 'Earth'), 2) AS earths, moons
	FROM planets WHERE moons > 0 ORDER BY moons DESC;
PRAGMA integrity_check;
