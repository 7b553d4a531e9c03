-- Eight queens, string formatting, closures, tables, coroutines and garbage.
local N, count = 8, 0
local function ok(a, n, c)
	for i = 1, n - 1 do
		if a[i] == c or a[i] - i == c - n or a[i] + i == c + n then return false end
	end
	return true
end
local function add(a, n)
	if n > N then count = count + 1 return end
	for c = 1, N do
		if ok(a, n, c) then a[n] = c add(a, n + 1) end
	end
end
add({}, 1)
print("solutions", count)
local gen = coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i * i) end end)
for v in gen do io.write(v, " ") end
print()
local t = {}
for i = 1, 200000 do t[i % 1000] = ("%05d"):format(i) end
print(#t, t[999], string.rep("ab", 3), math.tointeger(3.0), os.getenv("NOPE"))
print(pcall(error, "caught"))
