import time
def test_speed(post):
    post.power_on()
    t=time.monotonic()
    for i in range(4):
        post.run_until(7*3600 + i*900 + 75)
        print("window", i, time.monotonic()-t)
    r = post.wait_stored(4)
    print(time.monotonic()-t)
    for x in r: print(x)
    print(post.console)
    print([ (k,len(v)) for k,v in post.files().items() if 'lib' not in k])
